namespace ChatGLM.Snapshots;

/// <summary>A snapshot that was written.</summary>
public sealed record SnapshotReport
{
    /// <summary>The snapshot's folder.</summary>
    public required string Folder { get; init; }

    /// <summary>The weight files, the index last where there is one.</summary>
    public required IReadOnlyList<string> WeightFiles { get; init; }

    /// <summary>The files beside the weights: configuration, tokenizer, licence.</summary>
    public required IReadOnlyList<string> OtherFiles { get; init; }

    /// <summary>Tensors of the source that the model has no parameter for, such as a rotary table; they were left out.</summary>
    public required IReadOnlyList<string> LeftOut { get; init; }

    /// <summary>The bytes of the tensors that were read.</summary>
    public required long SourceBytes { get; init; }

    /// <summary>The bytes of the tensors that were written.</summary>
    public required long WrittenBytes { get; init; }

    /// <summary>How long it took.</summary>
    public required double Seconds { get; init; }
}
