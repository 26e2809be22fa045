namespace ChatGLM.Tensors;

/// <summary>Whether operations on this thread are recorded for a backward pass; <c>torch.no_grad</c> and <c>torch.enable_grad</c>.</summary>
public static class GradMode
{
    [ThreadStatic]
    private static bool s_disabled;

    /// <summary>Whether operations are recorded. True unless switched off.</summary>
    public static bool Enabled => !s_disabled;

    /// <summary>Records nothing until the result is disposed.</summary>
    public static Scope NoGrad() => new(disabled: true);

    /// <summary>Records again until the result is disposed, inside a <see cref="NoGrad"/>.</summary>
    public static Scope EnableGrad() => new(disabled: false);

    /// <summary>Puts the earlier mode back when disposed. For one thread; must not stay open over an await.</summary>
    public readonly ref struct Scope
    {
        private readonly bool _before;

        internal Scope(bool disabled)
        {
            _before = s_disabled;
            s_disabled = disabled;
        }

        /// <summary>Puts the earlier mode back.</summary>
        public void Dispose() => s_disabled = _before;
    }
}
