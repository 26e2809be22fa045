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

    public static TensorSource From(string name, DType dtype, ReadOnlySpan<long> shape, TensorBytes bytes) => new(name, dtype, shape, bytes.CopyTo);

    public static TensorSource From(string name, DType dtype, ReadOnlySpan<long> shape, byte[] bytes) => new(name, dtype, shape, s => s.Write(bytes));

    /// <summary>Writes the elements, contiguous and little-endian.</summary>
    public void WriteTo(Stream stream) => _write(stream);
}
