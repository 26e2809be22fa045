namespace ChatGLM.Tensors;

/// <summary>One number to one number, with constants that the struct holds.</summary>
internal interface IUnaryOperator
{
    T Invoke<T>(T x)
        where T : unmanaged, ILanes<T>;
}
