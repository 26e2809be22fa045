using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

public sealed partial class Tensor
{
    /// <summary>A tensor with undefined content.</summary>
    public static Tensor Empty(in Shape shape, DType dtype = DType.Float32, Backend? backend = null)
    {
        backend ??= Backend.Default;
        return new Tensor(backend, backend.Allocate(dtype, shape.ElementCount), shape, dtype);
    }

    /// <summary>A tensor of zeros.</summary>
    public static Tensor Zeros(in Shape shape, DType dtype = DType.Float32, Backend? backend = null) => Full(shape, 0, dtype, backend);

    /// <summary>A tensor of one value.</summary>
    public static Tensor Full(in Shape shape, double value, DType dtype = DType.Float32, Backend? backend = null)
    {
        var tensor = Empty(shape, dtype, backend);
        tensor.Backend.Fill(tensor, value);
        return tensor;
    }

    /// <summary>A copy of values in row-major order.</summary>
    /// <typeparam name="T">float, Half, <see cref="BFloat16"/>, double, long, int, short, sbyte, byte or bool.</typeparam>
    /// <param name="values">As many values as the shape has elements.</param>
    /// <param name="shape">The axis lengths.</param>
    /// <param name="backend">Where the tensor goes; the default backend if null.</param>
    /// <exception cref="TensorException">The number of values is not the shape's.</exception>
    public static Tensor From<T>(ReadOnlySpan<T> values, in Shape shape, Backend? backend = null)
        where T : unmanaged
    {
        if (values.Length != shape.ElementCount)
            throw new TensorException(nameof(From), $"{shape} has {shape.ElementCount} elements, {values.Length} values were given.");
        var tensor = Empty(shape, DTypeOf<T>(), backend);
        tensor.Backend.Write(tensor, 0, MemoryMarshal.AsBytes(values));
        return tensor;
    }

    /// <inheritdoc cref="From{T}(ReadOnlySpan{T}, in Shape, Backend?)"/>
    public static Tensor From<T>(T[] values, in Shape shape, Backend? backend = null)
        where T : unmanaged => From((ReadOnlySpan<T>)values, shape, backend);

    /// <summary>A single number.</summary>
    public static Tensor Scalar(float value, Backend? backend = null) => From([value], Shape.Scalar, backend);

    /// <summary>A view into a mapped file: nothing is copied where the backend can read main memory.</summary>
    /// <param name="file">The file; the tensor holds its own reference to the mapping.</param>
    /// <param name="byteOffset">Where the first element lies; it need not be aligned.</param>
    /// <param name="shape">The axis lengths.</param>
    /// <param name="dtype">The element type.</param>
    /// <param name="backend">The backend; the default one if null.</param>
    public static Tensor FromMapped(MappedFile file, long byteOffset, in Shape shape, DType dtype, Backend? backend = null) =>
        (backend ?? Backend.Default).Adopt(file, byteOffset, shape, dtype);

    /// <summary>The element type that stands for a C# type.</summary>
    /// <exception cref="TensorException">There is none.</exception>
    public static DType DTypeOf<T>()
        where T : unmanaged
    {
        if (typeof(T) == typeof(float)) return DType.Float32;
        if (typeof(T) == typeof(Half)) return DType.Float16;
        if (typeof(T) == typeof(BFloat16)) return DType.BFloat16;
        if (typeof(T) == typeof(double)) return DType.Float64;
        if (typeof(T) == typeof(long)) return DType.Int64;
        if (typeof(T) == typeof(int)) return DType.Int32;
        if (typeof(T) == typeof(short)) return DType.Int16;
        if (typeof(T) == typeof(sbyte)) return DType.Int8;
        if (typeof(T) == typeof(byte)) return DType.UInt8;
        if (typeof(T) == typeof(bool)) return DType.Bool;
        throw new TensorException(nameof(DTypeOf), $"{typeof(T).Name} is not a tensor element type.");
    }
}
