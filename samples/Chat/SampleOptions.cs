using ChatGLM.Tensors;

namespace ChatGLM.Samples.Chat;

/// <summary>What the command line says. Null leaves a choice to the snapshot, or to what the reference does.</summary>
internal sealed record SampleOptions
{
    public required string Model { get; init; }

    public DType? Dtype { get; init; }

    public string? Prompt { get; init; }

    public string? System { get; init; }

    public bool Greedy { get; init; }

    public double? Temperature { get; init; }

    public double? TopP { get; init; }

    public int? TopK { get; init; }

    public double? RepetitionPenalty { get; init; }

    public int? MaxNewTokens { get; init; }

    public long? Seed { get; init; }

    public int Threads { get; init; }
}
