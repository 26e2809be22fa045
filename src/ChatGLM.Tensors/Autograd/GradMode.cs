namespace ChatGLM.Tensors;

/// <summary>Whether operations on this thread are recorded for a backward pass; <c>torch.no_grad</c> and <c>torch.enable_grad</c>.</summary>
public static class GradMode
{
    [ThreadStatic]
    private static Mode s_mode;

    // Whether, since the innermost Watch was opened, an operation came by that would have been recorded.
    [ThreadStatic]
    private static bool s_noticed;

    internal enum Mode
    {
        Recording,
        Off,

        /// <summary>Off, but it is noticed whether anything would have been recorded.</summary>
        Watching,
    }

    /// <summary>Whether operations are recorded. True unless switched off.</summary>
    public static bool Enabled => s_mode == Mode.Recording;

    /// <summary>Whether nothing is recorded, but what would have been is noticed.</summary>
    internal static bool IsWatching => s_mode == Mode.Watching;

    /// <summary>Whether nothing is recorded, and no later run of the same computation will be: not while watching.</summary>
    internal static bool IsOff => s_mode == Mode.Off;

    /// <summary>Records nothing until the result is disposed.</summary>
    public static Scope NoGrad() => new(Mode.Off);

    /// <summary>Records again until the result is disposed, inside a <see cref="NoGrad"/>.</summary>
    public static Scope EnableGrad() => new(Mode.Recording);

    /// <summary>Records nothing until the result is disposed, and lets <see cref="Scope.Noticed"/> tell whether anything would have been recorded.</summary>
    internal static Scope Watch() => new(Mode.Watching);

    internal static void Notice() => s_noticed = true;

    /// <summary>Puts the earlier mode back when disposed. For one thread; must not stay open over an await.</summary>
    public readonly ref struct Scope
    {
        private readonly Mode _before;
        private readonly bool _noticedBefore;

        internal Scope(Mode mode)
        {
            _before = s_mode;
            _noticedBefore = s_noticed;
            s_mode = mode;
            if (mode == Mode.Watching)
                s_noticed = false;
        }

        /// <summary>Whether anything would have been recorded since <see cref="Watch"/> opened this scope.</summary>
        internal bool Noticed => s_noticed;

        /// <summary>Puts the earlier mode back.</summary>
        public void Dispose()
        {
            // What an inner watch noticed, an outer one has noticed too.
            s_noticed |= _noticedBefore;
            s_mode = _before;
        }
    }
}
