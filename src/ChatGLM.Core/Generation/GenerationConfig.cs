using System.Text.Json;

namespace ChatGLM.Generation;

/// <summary>
/// How text is generated: transformers' <c>GenerationConfig</c>, with its names, defaults and file. Immutable; change a copy with
/// <c>config with { DoSample = true, TopP = 0.7 }</c>.
/// </summary>
public sealed partial record GenerationConfig
{
    /// <summary>The name of the file in a snapshot's folder.</summary>
    public const string FileName = "generation_config.json";

    /// <summary>The greatest length of a sequence in tokens, prompt included; <see cref="MaxNewTokens"/> goes before it.</summary>
    public int MaxLength { get; init; } = 20;

    /// <summary>The greatest number of tokens to generate, or null to go by <see cref="MaxLength"/>.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>The end of sequence is ruled out until a sequence, prompt included, has this many tokens.</summary>
    public int MinLength { get; init; }

    /// <summary>The end of sequence is ruled out until this many tokens have been generated.</summary>
    public int? MinNewTokens { get; init; }

    /// <summary>Whether tokens are drawn by their probability; else the best one is taken.</summary>
    public bool DoSample { get; init; }

    /// <summary>The number of beams of a beam search; 1 is none.</summary>
    public int NumBeams { get; init; } = 1;

    /// <summary>When a beam search stops.</summary>
    public EarlyStopping EarlyStopping { get; init; }

    /// <summary>The power of its length by which a beam's score is divided: above 0 longer sequences are preferred.</summary>
    public double LengthPenalty { get; init; } = 1;

    /// <summary>The sequences to return for each prompt.</summary>
    public int NumReturnSequences { get; init; } = 1;

    /// <summary>Sampling: scores are divided by it.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Sampling: only so many of the best tokens can be drawn; 0 for all of them. Active by default, as in transformers.</summary>
    public int TopK { get; init; } = 50;

    /// <summary>Sampling: only the smallest set of best tokens with this mass can be drawn.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Sampling: only tokens at least this fraction as likely as the best one can be drawn, or null for all.</summary>
    public double? MinP { get; init; }

    /// <summary>Sampling: only the most typical tokens with this mass can be drawn.</summary>
    public double TypicalP { get; init; } = 1;

    /// <summary>Sampling: only tokens at least this likely can be drawn; 0 for all.</summary>
    public double EpsilonCutoff { get; init; }

    /// <summary>Sampling: as <see cref="EpsilonCutoff"/>, with a bound that falls with the entropy; 0 for all.</summary>
    public double EtaCutoff { get; init; }

    /// <summary>Above 1, tokens that the sequence already holds become less likely.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>No sequence of this many tokens occurs twice; 0 for no such rule.</summary>
    public int NoRepeatNgramSize { get; init; }

    /// <summary>Token sequences that are never generated.</summary>
    public IReadOnlyList<IReadOnlyList<int>>? BadWordsIds { get; init; }

    /// <summary>Biases on tokens that would complete a sequence.</summary>
    public IReadOnlyList<SequenceBias>? SequenceBias { get; init; }

    /// <summary>Tokens that are never generated.</summary>
    public IReadOnlyList<int>? SuppressTokens { get; init; }

    /// <summary>Tokens that are never generated first.</summary>
    public IReadOnlyList<int>? BeginSuppressTokens { get; init; }

    /// <summary>The token that must follow a prompt of one token.</summary>
    public int? ForcedBosTokenId { get; init; }

    /// <summary>The tokens one of which must end a sequence that reaches its greatest length.</summary>
    public IReadOnlyList<int>? ForcedEosTokenId { get; init; }

    /// <summary>From which generated token on, and by which factor a token, the end of sequence becomes more likely.</summary>
    public (int StartIndex, double DecayFactor)? ExponentialDecayLengthPenalty { get; init; }

    /// <summary>Whether NaN and infinite scores are replaced rather than refused.</summary>
    public bool RemoveInvalidValues { get; init; }

    /// <summary>Whether scores are normalised after the processors.</summary>
    public bool RenormalizeLogits { get; init; }

    /// <summary>Texts that end a sequence once they have been generated.</summary>
    public IReadOnlyList<string>? StopStrings { get; init; }

    /// <summary>The beginning of sequence token.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The tokens that end a sequence.</summary>
    public IReadOnlyList<int>? EosTokenId { get; init; }

    /// <summary>The token that fills finished rows up; the first end of sequence token when null.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>
    /// The seed of this call's draws, as after <c>torch.manual_seed(seed)</c>; null for a new one every time. Not part of the file.
    /// </summary>
    public long? Seed { get; init; }

    /// <summary>What else a generation_config.json held; written back as it was.</summary>
    public IReadOnlyDictionary<string, JsonElement> AdditionalProperties { get; init; } = new Dictionary<string, JsonElement>();
}
