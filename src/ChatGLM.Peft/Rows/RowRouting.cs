namespace ChatGLM.Peft.Rows;

/// <summary>
/// Where the layers of one model find the row adapters of the call that they work for. A value belongs to the call and what it starts (its asynchronous flow), so calls on several threads
/// go through different adapters of one base at once.
/// </summary>
internal sealed class RowRouting
{
    private readonly AsyncLocal<RowAdapters?> _current = new();

    public RowAdapters? Current
    {
        get => _current.Value;
        set => _current.Value = value;
    }
}
