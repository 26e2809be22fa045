namespace ChatGLM.Formats;

/// <summary>A Python list, tuple, set or <c>torch.Size</c>.</summary>
internal sealed class PickleSequence(PickleSequenceKind kind) : PickleContainer
{
    private readonly List<object?> _items = [];

    public PickleSequenceKind Kind { get; } = kind;

    public IReadOnlyList<object?> Items => _items;

    /// <summary>Returns what is wrong, or null.</summary>
    public string? Add(object? value)
    {
        var wrong = Admit(value);
        _items.Add(value);
        return wrong;
    }
}
