using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

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

    public static ChatGLMForConditionalGeneration Create(int generation, DType dtype = DType.Float32, ulong seed = 7) =>
        AutoModel.FromConfig(generation == 1 ? First : Second, new ModelOptions { Dtype = dtype, Seed = seed });

    /// <summary>A prompt that both generations understand, with labels for its end.</summary>
    public static ModelInputs Inputs(int rows = 1, Backend? backend = null)
    {
        long[] ids = [7, 21, 35, 8, 14, 93, 90, 11, 12];
        long[] labels = [-100, -100, -100, -100, -100, -100, 11, 12, 13];
        return new ModelInputs
        {
            InputIds = Tensor.From(Enumerable.Range(0, rows).SelectMany(row => ids.Select((id, i) => i < 5 ? id + row : id)).ToArray(), [rows, ids.Length], backend),
            Labels = Tensor.From(Enumerable.Repeat(labels, rows).SelectMany(l => l).ToArray(), [rows, ids.Length], backend),
        };
    }

    public static float[] Logits(PreTrainedModel model)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        return model.Forward(Inputs()).Logits.ToFloatArray();
    }

    /// <summary>Every parameter's bits, to see whether anything has changed.</summary>
    public static Dictionary<string, float[]> Snapshot(Module model) => model.StateDict().ToDictionary(p => p.Key, p => p.Value.ToFloatArray());

    public static void ShouldBe(this Dictionary<string, float[]> actual, Dictionary<string, float[]> expected, string because = "")
    {
        // Compared as a whole: BeEquivalentTo looks at every float on its own, which takes seconds.
        actual.Keys.Should().BeEquivalentTo(expected.Keys, because);
        foreach (var (name, values) in expected)
            actual[name].AsSpan().SequenceEqual(values).Should().BeTrue("{0} keeps its bits {1}", name, because);
    }

    public static double LargestDifference(float[] a, float[] b) => a.Zip(b).Max(p => Math.Abs((double)p.First - p.Second));
}
