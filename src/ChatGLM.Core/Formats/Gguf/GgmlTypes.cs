using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>The element types of GGUF tensors by their numbers (ggml.h's ggml_type).</summary>
internal static class GgmlTypes
{
    public const string Supported = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K";

    private static readonly Dictionary<uint, string> Names = new()
    {
        [0] = "F32", [1] = "F16", [2] = "Q4_0", [3] = "Q4_1", [6] = "Q5_0", [7] = "Q5_1", [8] = "Q8_0", [9] = "Q8_1", [10] = "Q2_K", [11] = "Q3_K", [12] = "Q4_K", [13] = "Q5_K", [14] = "Q6_K", [15] = "Q8_K",
        [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S", [22] = "IQ2_S", [23] = "IQ4_XS", [24] = "I8", [25] = "I16", [26] = "I32", [27] = "I64", [28] = "F64",
        [29] = "IQ1_M", [30] = "BF16", [34] = "TQ1_0", [35] = "TQ2_0", [39] = "MXFP4",
    };

    /// <summary>A plain element type or a block format; neither where the number is unknown or cannot be computed with.</summary>
    public static (DType? DType, BlockFormat? Blocks) Find(uint type) => type switch
    {
        0 => (DType.Float32, null),
        1 => (DType.Float16, null),
        30 => (DType.BFloat16, null),
        2 => (null, BlockFormat.Q4_0),
        3 => (null, BlockFormat.Q4_1),
        6 => (null, BlockFormat.Q5_0),
        7 => (null, BlockFormat.Q5_1),
        8 => (null, BlockFormat.Q8_0),
        12 => (null, BlockFormat.Q4_K),
        13 => (null, BlockFormat.Q5_K),
        14 => (null, BlockFormat.Q6_K),
        _ => (null, null),
    };

    /// <summary>What a type is called.</summary>
    public static string NameOf(uint type) => Names.TryGetValue(type, out var name) ? name : $"with the unknown number {type}";
}
