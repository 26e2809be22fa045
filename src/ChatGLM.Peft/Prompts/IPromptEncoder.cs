using ChatGLM.Tensors;

namespace ChatGLM.Peft.Prompts;

/// <summary>What an adapter of virtual tokens knows of itself besides how it runs.</summary>
internal interface IPromptEncoder
{
    /// <summary>The parameter that a file holds as <c>prompt_embeddings</c>, [virtual, width]; null where a network makes them.</summary>
    Tensor? Stored { get; }

    /// <summary>What a file holds, without dropout, [virtual, width].</summary>
    Tensor Compute();
}
