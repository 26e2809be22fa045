namespace ChatGLM.Tensors.Kernels;

/// <summary>What a group holds: a choice that the compiler makes once for each kernel.</summary>
internal interface IGroupFormat
{
    static abstract bool IsNibbles { get; }

    static abstract bool HasMinimum { get; }
}

/// <summary>8 bits and a scale.</summary>
internal readonly struct GroupBytes : IGroupFormat
{
    public static bool IsNibbles => false;

    public static bool HasMinimum => false;
}

/// <summary>4 bits and a scale.</summary>
internal readonly struct GroupNibbles : IGroupFormat
{
    public static bool IsNibbles => true;

    public static bool HasMinimum => false;
}

/// <summary>4 bits, a scale and a minimum.</summary>
internal readonly struct GroupNibblesAndMinimum : IGroupFormat
{
    public static bool IsNibbles => true;

    public static bool HasMinimum => true;
}
