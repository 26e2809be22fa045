namespace ChatGLM.Models;

/// <summary>What <see cref="PreTrainedModel.LoadPrefix"/> found in a P-Tuning v2 checkpoint.</summary>
public sealed record PrefixReport
{
    /// <summary>The weight file.</summary>
    public required string File { get; init; }

    /// <summary>The length of the prefix (<c>pre_seq_len</c>).</summary>
    public required int PreSeqLen { get; init; }

    /// <summary>Whether the prefix goes through a two-layer projection (<c>prefix_projection</c>).</summary>
    public required bool PrefixProjection { get; init; }

    /// <summary>Whether the checkpoint holds a whole model, as the first fine-tune scripts saved it. Of such a one only the prefix was taken.</summary>
    public required bool IsWholeModel { get; init; }
}
