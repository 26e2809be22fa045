using ChatGLM.Peft.Rows;

namespace ChatGLM.Peft;

/// <summary>Rows go through adapters of their own until this is disposed: what <see cref="PeftModel.UseAdapters"/> returns.</summary>
public sealed class AdapterRowsScope : IDisposable
{
    private readonly RowRouting _routing;
    private readonly RowAdapters? _before;
    private bool _isDisposed;

    internal AdapterRowsScope(RowRouting routing, RowAdapters rows)
    {
        _routing = routing;
        _before = routing.Current;
        routing.Current = rows;
    }

    /// <summary>Goes back to the active adapters.</summary>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        _routing.Current = _before;
    }
}
