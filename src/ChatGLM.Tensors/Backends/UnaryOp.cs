namespace ChatGLM.Tensors;

/// <summary>A function of one number.</summary>
public enum UnaryOp
{
    /// <summary>0.5 x (1 + tanh(0.7978845608028654 x (1 + 0.044715 x²))): the tanh form that ChatGLM-6B uses.</summary>
    GeluTanh,

    /// <summary>x / (1 + e^-x).</summary>
    Silu,

    /// <summary>The hyperbolic tangent.</summary>
    Tanh,

    /// <summary>1 / (1 + e^-x).</summary>
    Sigmoid,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>log(1 + e^x).</summary>
    Softplus,

    /// <summary>e^x.</summary>
    Exp,

    /// <summary>The natural logarithm.</summary>
    Log,

    /// <summary>The square root.</summary>
    Sqrt,

    /// <summary>x².</summary>
    Square,
}
