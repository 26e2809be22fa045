using ScalarType = global::TorchSharp.torch.ScalarType;

namespace ChatGLM.TorchSharp;

/// <summary>The same element types and shapes under both libraries' names.</summary>
internal static class TorchTypes
{
    public static ScalarType ToTorch(this DType dtype) => dtype switch
    {
        DType.Float32 => ScalarType.Float32,
        DType.Float16 => ScalarType.Float16,
        DType.BFloat16 => ScalarType.BFloat16,
        DType.Float64 => ScalarType.Float64,
        DType.Int64 => ScalarType.Int64,
        DType.Int32 => ScalarType.Int32,
        DType.Int16 => ScalarType.Int16,
        DType.Int8 => ScalarType.Int8,
        DType.UInt8 => ScalarType.Byte,
        DType.Bool => ScalarType.Bool,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, null),
    };

    public static DType FromTorch(this ScalarType type) => type switch
    {
        ScalarType.Float32 => DType.Float32,
        ScalarType.Float16 => DType.Float16,
        ScalarType.BFloat16 => DType.BFloat16,
        ScalarType.Float64 => DType.Float64,
        ScalarType.Int64 => DType.Int64,
        ScalarType.Int32 => DType.Int32,
        ScalarType.Int16 => DType.Int16,
        ScalarType.Int8 => DType.Int8,
        ScalarType.Byte => DType.UInt8,
        ScalarType.Bool => DType.Bool,
        _ => throw new TensorException(nameof(FromTorch), $"a torch tensor of {type} has no counterpart here."),
    };

    public static long[] ToTorch(this in Shape shape) => Array.ConvertAll(shape.ToArray(), length => (long)length);

    public static Shape FromTorch(this ReadOnlySpan<long> lengths)
    {
        var shape = new int[lengths.Length];
        for (var axis = 0; axis < shape.Length; axis++)
            shape[axis] = checked((int)lengths[axis]);
        return new Shape(shape);
    }
}
