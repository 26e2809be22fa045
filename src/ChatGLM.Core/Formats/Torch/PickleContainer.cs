namespace ChatGLM.Formats;

/// <summary>
/// A list, tuple, set or dictionary out of a pickle. A container that was put into another one can no longer change: so none can
/// contain itself, and depth and size are known when it is built, not found out by whoever walks it.
/// </summary>
internal abstract class PickleContainer
{
    /// <summary>Deeper than any state dict; shallow enough to be walked by recursion.</summary>
    public const int MaxDepth = 256;

    /// <summary>The values of a container, counted as a walk meets them: the same list twice counts twice.</summary>
    public const long MaxSize = 1 << 24;

    private bool _isInside;

    public int Depth { get; private set; } = 1;

    public long Size { get; private set; } = 1;

    /// <summary>Takes note of a value about to be added; returns what is wrong with that, or null.</summary>
    protected string? Admit(object? value)
    {
        if (_isInside)
            return "a container is changed after it was put into another one (a structure that contains itself is not read)";
        Size++;
        if (value is PickleContainer child)
        {
            child._isInside = true;
            if (ReferenceEquals(child, this))
                return "a container contains itself";
            Depth = Math.Max(Depth, child.Depth + 1);
            Size += child.Size;
        }

        return Depth > MaxDepth ? $"containers are nested deeper than {MaxDepth}"
            : Size > MaxSize ? $"the structure unfolds to more than {MaxSize} values"
            : null;
    }
}
