namespace ChatGLM.Tensors;

/// <summary>What <see cref="WorkerPool.Run{TBody}"/> does for every task. A struct, so that a call allocates nothing and is inlined into the loop.</summary>
internal interface IParallelBody
{
    /// <summary>Does one task. Tasks run in any order and at the same time: each writes only what is its own.</summary>
    void Run(int task);
}
