using ChatGLM.Models;

namespace ChatGLM.Benchmarks.Models;

/// <summary>The shapes of the published models, with fewer layers if asked: every layer costs the same.</summary>
internal static class ModelShape
{
    public const string ChatGLM2 = "chatglm2-6b";
    public const string ChatGLM6B = "chatglm-6b";
    public const string Small = "small";

    public static ChatGLMConfig Create(string shape, int layers) => shape switch
    {
        ChatGLM2 => new ChatGLM2Config { NumLayers = layers },
        ChatGLM6B => new ChatGLM6BConfig { NumLayers = layers, VocabSize = 130528, TieWordEmbeddings = false },
        Small => new ChatGLM2Config { NumLayers = layers, HiddenSize = 512, FfnHiddenSize = 1376, NumAttentionHeads = 8, KvChannels = 64, PaddedVocabSize = 8192 },
        _ => throw new ArgumentOutOfRangeException(nameof(shape), shape, $"known are {ChatGLM2}, {ChatGLM6B} and {Small}."),
    };
}
