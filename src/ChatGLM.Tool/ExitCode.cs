namespace ChatGLM.Tool;

/// <summary>What the command ends with.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>A model, a file, a network or a disk is not what it should be.</summary>
    public const int Failed = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Ctrl+C, as shells count it: 128 and the number of the signal.</summary>
    public const int Interrupted = 130;

    /// <summary>Whoever read the output has gone, such as <c>head</c>.</summary>
    public const int BrokenPipe = 141;

    /// <summary>The system asked for the end (SIGTERM).</summary>
    public const int Terminated = 143;
}
