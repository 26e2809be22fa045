using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

/// <summary>Models small enough for a test, with random weights made here.</summary>
internal static class TinyModels
{
    public static ChatGLM6BConfig First { get; } = new()
    {
        VocabSize = 96, HiddenSize = 32, NumAttentionHeads = 2, NumLayers = 2, InnerHiddenSize = 64, MaxSequenceLength = 64,
        BosTokenId = 90, EosTokenIds = [91], MaskTokenId = 92, GMaskTokenId = 93, PadTokenId = 3,
    };

    public static ChatGLM2Config Second { get; } = new()
    {
        PaddedVocabSize = 96, HiddenSize = 32, NumAttentionHeads = 4, KvChannels = 8, NumLayers = 2, FfnHiddenSize = 48, SeqLength = 64,
        MultiQueryGroupNum = 2,
    };

    public static ChatGLMConfig Of(int generation) => generation == 1 ? First : Second;

    /// <summary>A prompt that both generations understand.</summary>
    public static int[] Prompt { get; } = [7, 21, 35, 8, 14, 93, 90];

    public static ChatGLMForConditionalGeneration Create(ChatGLMConfig config, DType dtype = DType.Float32) =>
        AutoModel.FromConfig(config, new ModelOptions { Dtype = dtype, Seed = 7 });

    /// <summary>A new folder with a snapshot of random weights.</summary>
    public static string Save(TemporaryFolder folder, ChatGLMConfig config, DType dtype = DType.Float32)
    {
        using var model = Create(config, dtype);
        model.SavePretrained(folder.Path);
        return folder.Path;
    }

    public static Tensor Ids(params long[] ids) => Tensor.From(ids, [1, ids.Length]);
}
