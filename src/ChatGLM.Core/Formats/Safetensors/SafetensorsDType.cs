using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>The names of element types in a safetensors header.</summary>
internal static class SafetensorsDType
{
    /// <summary>Types that the format knows and this library has no use for: named in the error, so that nobody takes the file for damaged.</summary>
    private static readonly string[] KnownElsewhere =
        ["U16", "U32", "U64", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4", "C64"];

    public static DType? Parse(string name) => name switch
    {
        "F32" => DType.Float32,
        "F16" => DType.Float16,
        "BF16" => DType.BFloat16,
        "F64" => DType.Float64,
        "I64" => DType.Int64,
        "I32" => DType.Int32,
        "I16" => DType.Int16,
        "I8" => DType.Int8,
        "U8" => DType.UInt8,
        "BOOL" => DType.Bool,
        _ => null,
    };

    public static bool IsKnownElsewhere(string name) => KnownElsewhere.Contains(name);

    public static string NameOf(DType dtype) => dtype switch
    {
        DType.Float32 => "F32",
        DType.Float16 => "F16",
        DType.BFloat16 => "BF16",
        DType.Float64 => "F64",
        DType.Int64 => "I64",
        DType.Int32 => "I32",
        DType.Int16 => "I16",
        DType.Int8 => "I8",
        DType.UInt8 => "U8",
        DType.Bool => "BOOL",
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a tensor element type."),
    };

    /// <summary>
    /// The position of a type in the official library's list, which grows with alignment. Files are written in falling order, so
    /// that every tensor is aligned without gaps.
    /// </summary>
    public static int Rank(DType dtype) => dtype switch
    {
        DType.Bool => 0,
        DType.UInt8 => 1,
        DType.Int8 => 2,
        DType.Int16 => 3,
        DType.Float16 => 4,
        DType.BFloat16 => 5,
        DType.Int32 => 6,
        DType.Float32 => 7,
        DType.Float64 => 8,
        DType.Int64 => 9,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a tensor element type."),
    };
}
