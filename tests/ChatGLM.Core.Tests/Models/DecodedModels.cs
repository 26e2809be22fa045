using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

/// <summary>Both architectures in every format of a weight.</summary>
internal static class DecodedModels
{
    public static string[] Formats { get; } = ["f32", "f16", "bf16", "row8", "row4", "group8", "group4", "group4min"];

    /// <summary>Generation and format.</summary>
    public static IEnumerable<object[]> Cases => from generation in new[] { 1, 2 } from format in Formats select new object[] { generation, format };

    public static ChatGLMForConditionalGeneration Create(int generation, string format, int threads = 2)
    {
        // Long enough for the windows of the tests of allocation.
        ChatGLMConfig config = generation == 1 ? TinyModels.First with { MaxSequenceLength = 512 } : TinyModels.Second with { SeqLength = 512 };
        var options = new ModelOptions { Seed = 7, Backend = threads == 0 ? null : new CpuBackend(new CpuBackendOptions { Threads = threads }) };
        return AutoModel.FromConfig(config, format switch
        {
            "f32" => options,
            "f16" => options with { Dtype = DType.Float16 },
            "bf16" => options with { Dtype = DType.BFloat16 },
            "row8" => options with { QuantizationBit = 8 },
            "row4" => options with { QuantizationBit = 4 },
            "group8" => options with { Dtype = DType.BFloat16, Quantization = new QuantizationConfig { Bits = 8, GroupSize = 32 } },
            "group4" => options with { Dtype = DType.BFloat16, Quantization = new QuantizationConfig { Bits = 4, GroupSize = 32 } },
            "group4min" => options with { Dtype = DType.BFloat16, Quantization = new QuantizationConfig { Bits = 4, GroupSize = 32, Sym = false, HeadBits = 4 } },
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, null),
        });
    }

    /// <summary>Two rows, the second one padded by two tokens.</summary>
    public static ModelInputs PaddedPrompt(int generation, bool hasBlocks = true)
    {
        var ids = Tensor.From([.. TinyModels.Prompt.Select(i => (long)i), 3L, 3, 35, 8, 14, 93, 90], [2, 7]);
        return generation == 1
            ? new ModelInputs
            {
                InputIds = ids,
                PositionIds = hasBlocks
                    ? Tensor.From([0L, 1, 2, 3, 4, 5, 5, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 3, 0, 0, 0, 0, 0, 0, 1], [2, 2, 7])
                    : Tensor.From([0L, 1, 2, 3, 4, 5, 6, 0, 0, 0, 1, 2, 3, 4], [2, 7]),
                AttentionMask = Tensor.From(Enumerable.Range(0, 98).Select(i => (i / 7 % 7 < 6 && i % 7 == 6) || (i >= 49 && i % 7 < 2)).ToArray(), [2, 1, 7, 7]),
            }
            : new ModelInputs { InputIds = ids, PositionIds = Tensor.From([0L, 1, 2, 3, 4, 5, 6, 0, 0, 0, 1, 2, 3, 4], [2, 7]), AttentionMask = Tensor.From([1L, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1], [2, 7]) };
    }
}
