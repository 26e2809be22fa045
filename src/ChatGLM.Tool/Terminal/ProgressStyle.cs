namespace ChatGLM.Tool.Terminal;

/// <summary>How progress is shown.</summary>
internal enum ProgressStyle
{
    /// <summary>Bars on a terminal, lines elsewhere.</summary>
    Auto,

    /// <summary>Bars that move.</summary>
    Bars,

    /// <summary>A line now and then.</summary>
    Lines,

    /// <summary>A JSON object a line.</summary>
    Json,

    /// <summary>Not at all.</summary>
    None,
}
