namespace ChatGLM.Tensors;

/// <summary>A function of one number, on all lanes, with its derivative beside it.</summary>
internal interface IUnaryFunction
{
    static abstract T Value<T>(T x)
        where T : unmanaged, ILanes<T>;

    static abstract T Derivative<T>(T x)
        where T : unmanaged, ILanes<T>;
}
