using System.Buffers;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>
/// A tensor to be written: what the header says about it, and a way to get its bytes when its turn comes, so that a snapshot larger than memory
/// can be written one tensor at a time.
/// </summary>
internal sealed class TensorSource
{
    private readonly Action<Stream> _write;

    public TensorSource(string name, DType dtype, ReadOnlySpan<long> shape, Action<Stream> write)
    {
        Name = name;
        DType = dtype;
        Shape = shape.ToArray();
        _write = write;
        long elements = 1;
        foreach (var size in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(shape));
            elements = checked(elements * size);
        }

        LengthInBytes = checked(elements * dtype.SizeInBytes());
    }

    public string Name { get; }

    public DType DType { get; }

    public long[] Shape { get; }

    public long LengthInBytes { get; }

    /// <summary>A tensor for a header alone: its bytes are written by somebody else.</summary>
    public static TensorSource Announce(string name, Tensor tensor) =>
        new(name, tensor.DType, Array.ConvertAll(tensor.Shape.ToArray(), size => (long)size), _ => throw new InvalidOperationException($"The bytes of '{name}' are not written through its source."));

    public static TensorSource From(string name, DType dtype, ReadOnlySpan<long> shape, TensorBytes bytes) => new(name, dtype, shape, bytes.CopyTo);

    public static TensorSource From(string name, DType dtype, ReadOnlySpan<long> shape, byte[] bytes) => new(name, dtype, shape, s => s.Write(bytes));

    /// <summary>A tensor that is in memory, or that is made when its turn to be written comes and thrown away after.</summary>
    public static TensorSource From(string name, DType dtype, in Shape shape, Func<Tensor> tensor)
    {
        Span<long> sizes = stackalloc long[shape.Rank];
        for (var axis = 0; axis < sizes.Length; axis++)
            sizes[axis] = shape[axis];
        var expected = shape;
        return new TensorSource(name, dtype, sizes, stream =>
        {
            using var scope = new TensorScope(); // frees what is made here, and nothing that was there before
            var value = tensor();
            if (value.Shape != expected || value.DType != dtype)
                throw new InvalidOperationException($"'{name}' was announced as {dtype} {expected}, but is {value.DType} {value.Shape}.");
            Write(value, stream);
        });
    }

    public static TensorSource From(string name, Tensor tensor) => From(name, tensor.DType, tensor.Shape, () => tensor);

    /// <summary>Writes the elements, contiguous and little-endian.</summary>
    public void WriteTo(Stream stream) => _write(stream);

    private static void Write(Tensor tensor, Stream stream)
    {
        const int ChunkBytes = 1 << 20;
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(ChunkBytes, Math.Max(tensor.ByteLength, 1)));
        try
        {
            for (long at = 0; at < tensor.ByteLength; at += ChunkBytes)
            {
                var chunk = buffer.AsSpan(0, (int)Math.Min(ChunkBytes, tensor.ByteLength - at));
                tensor.Read(at, chunk);
                stream.Write(chunk);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
