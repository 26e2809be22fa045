namespace ChatGLM.Tensors;

/// <summary>
/// Owns the tensors that are created on this thread while it is open, and gives their memory back when it closes, except those passed to
/// <see cref="Keep"/>. Layers open one around their intermediates. A scope is for one thread and must not stay open over an await.
/// </summary>
/// <example><code>
/// using var scope = new TensorScope();
/// var hidden = Functional.Linear(x, weight, bias);
/// return scope.Keep(Functional.Gelu(hidden));
/// </code></example>
public sealed class TensorScope : IDisposable
{
    [ThreadStatic]
    private static TensorScope? s_current;

    private readonly List<Tensor> _owned = [];
    private readonly TensorScope? _outer;
    private readonly bool _suspends;
    private bool _closed;

    /// <summary>Opens a scope inside the current one.</summary>
    public TensorScope()
        : this(suspends: false)
    {
    }

    private TensorScope(bool suspends)
    {
        _outer = s_current;
        _suspends = suspends;
        s_current = this;
    }

    /// <summary>The innermost open scope of this thread, if any.</summary>
    internal static TensorScope? Current => s_current is { _suspends: true } ? null : s_current;

    /// <summary>Until the returned scope is closed, new tensors belong to no scope: for what outlives a step, such as parameters and caches.</summary>
    public static TensorScope Suspend() => new(suspends: true);

    /// <summary>Hands a tensor of this scope to the scope outside it, or to the caller when there is none.</summary>
    public Tensor Keep(Tensor tensor)
    {
        if (tensor.Scope != this)
            return tensor;
        tensor.Scope = null;
        if (_outer is { _suspends: false })
            _outer.Adopt(tensor);
        return tensor;
    }

    /// <summary>Frees what was created and not kept.</summary>
    public void Dispose()
    {
        if (_closed)
            return;
        if (s_current != this)
            throw new InvalidOperationException("A TensorScope was closed out of order, or on another thread: close scopes innermost first, and not across an await.");
        _closed = true;
        s_current = _outer;
        foreach (var tensor in _owned)
        {
            if (tensor.Scope == this)
                tensor.Dispose();
        }
    }

    internal void Adopt(Tensor tensor)
    {
        tensor.Scope = this;
        _owned.Add(tensor);
    }
}
