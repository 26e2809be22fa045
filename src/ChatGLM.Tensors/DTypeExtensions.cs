namespace ChatGLM.Tensors;

/// <summary>Facts about a <see cref="DType"/>.</summary>
public static class DTypeExtensions
{
    /// <summary>The size of one element in bytes.</summary>
    public static int SizeInBytes(this DType dtype) => dtype switch
    {
        DType.Float64 or DType.Int64 => 8,
        DType.Float32 or DType.Int32 => 4,
        DType.Float16 or DType.BFloat16 or DType.Int16 => 2,
        DType.Int8 or DType.UInt8 or DType.Bool => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Not a tensor element type."),
    };

    /// <summary>Whether the type holds floating-point numbers.</summary>
    public static bool IsFloatingPoint(this DType dtype) =>
        dtype is DType.Float32 or DType.Float16 or DType.BFloat16 or DType.Float64;

    /// <summary>PyTorch's name of the type, such as <c>float32</c> or <c>bfloat16</c>, as <c>torch_dtype</c> in a config.json has it.</summary>
    public static string TorchName(this DType dtype) => dtype.ToString().ToLowerInvariant();
}
