using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.TorchSharp.Tests;

/// <summary>Models small enough for a test, with random weights; the same on every backend.</summary>
internal static class TinyModels
{
    private static ChatGLM6BConfig First { get; } = new()
    {
        VocabSize = 96, HiddenSize = 32, NumAttentionHeads = 2, NumLayers = 2, InnerHiddenSize = 64, MaxSequenceLength = 64,
        BosTokenId = 90, EosTokenIds = [91], MaskTokenId = 92, GMaskTokenId = 93, PadTokenId = 3, PreSeqLen = 3,
    };

    private static ChatGLM2Config Second { get; } = new()
    {
        PaddedVocabSize = 96, HiddenSize = 32, NumAttentionHeads = 4, KvChannels = 8, NumLayers = 2, FfnHiddenSize = 48, SeqLength = 64, MultiQueryGroupNum = 2,
    };

    public static ChatGLMForConditionalGeneration Create(int generation, Backend? backend = null) =>
        AutoModel.FromConfig(generation == 1 ? First : Second, new ModelOptions { Seed = 7, Backend = backend });

    public static ModelInputs Inputs(Backend? backend = null) => new()
    {
        InputIds = Tensor.From([7L, 21, 35, 8, 14, 93, 90, 11, 12], [1, 9], backend),
        Labels = Tensor.From([-100L, -100, -100, -100, -100, -100, 11, 12, 13], [1, 9], backend),
    };
}
