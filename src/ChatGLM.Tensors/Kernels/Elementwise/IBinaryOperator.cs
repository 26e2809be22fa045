namespace ChatGLM.Tensors;

/// <summary>Two numbers to one number, with constants that the struct holds.</summary>
internal interface IBinaryOperator
{
    T Invoke<T>(T a, T b)
        where T : unmanaged, ILanes<T>;
}
