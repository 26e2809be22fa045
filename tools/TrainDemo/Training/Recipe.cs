using ChatGLM.Models;

namespace ChatGLM.Tools.TrainDemo.Training;

/// <summary>What is trained, and how long. The defaults made <c>samples/Snapshot</c>.</summary>
internal sealed record Recipe
{
    /// <summary>A folder with the tokenizer.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>Where the snapshot is written.</summary>
    public required string Output { get; init; }

    public int Steps { get; init; } = 5500;

    /// <summary>Conversations in a step.</summary>
    public int Batch { get; init; } = 12;

    public double LearningRate { get; init; } = 2.5e-3;

    /// <summary>The seed of the text, of the weights and of the order of rows.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>How many threads compute; 0 for one per core. The result does not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>ChatGLM2's architecture, small.</summary>
    public static ChatGLM2Config Architecture(int vocabulary) => new()
    {
        PaddedVocabSize = (vocabulary + 63) / 64 * 64,
        HiddenSize = 192,
        FfnHiddenSize = 512,
        NumLayers = 6,
        NumAttentionHeads = 6,
        KvChannels = 32,
        MultiQueryGroupNum = 2,
        SeqLength = 1024,
        EosTokenIds = [2],
    };
}
