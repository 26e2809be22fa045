namespace ChatGLM.Samples.PTuning;

/// <summary>Which model is tuned, and how much of it (<c>ModelArguments</c> of the script).</summary>
internal sealed record ModelArguments
{
    public string ModelNameOrPath { get; init; } = DemoSnapshot.Folder;

    public string? TokenizerName { get; init; }

    /// <summary>A folder with a prefix that was trained before.</summary>
    public string? PtuningCheckpoint { get; init; }

    public string? CacheDir { get; init; }

    public string? ModelRevision { get; init; }

    public int? QuantizationBit { get; init; }

    /// <summary>The length of the prefix; the whole model is trained without one.</summary>
    public int? PreSeqLen { get; init; }

    public bool PrefixProjection { get; init; }
}
