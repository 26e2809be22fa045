using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>The elements of one tensor, contiguous and in the machine's (little-endian) order, with the memory that holds them.</summary>
/// <param name="owner">The memory.</param>
/// <param name="offset">Where the elements begin in it.</param>
/// <param name="length">How many bytes they have.</param>
/// <param name="isCopy">Whether the memory was made for these elements alone.</param>
internal readonly struct TensorBytes(ByteRegion owner, long offset, long length, bool isCopy = false)
{
    /// <summary>Large enough to keep a disk busy, small enough to stay in reach of a cache.</summary>
    private const int ChunkBytes = 1 << 22;

    public ByteRegion Owner { get; } = owner;

    public long Offset { get; } = offset;

    public long Length { get; } = length;

    /// <summary>All bytes; a tensor above 2 GiB does not fit a span and is read with <see cref="Slice"/>.</summary>
    public ReadOnlySpan<byte> Span => Owner.Span(Offset, Length);

    public ReadOnlySpan<byte> Slice(long start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - start);
        return Owner.Span(Offset + start, count);
    }

    public void CopyTo(Stream stream)
    {
        for (long start = 0; start < Length; start += ChunkBytes)
            stream.Write(Slice(start, (int)Math.Min(ChunkBytes, Length - start)));
        GC.KeepAlive(Owner);
    }

    /// <summary>A tensor over these bytes: in place for a backend that reads main memory, else a copy. It belongs to no <see cref="TensorScope"/>.</summary>
    public Tensor ToTensor(in Shape shape, DType dtype, Backend backend)
    {
        using var unscoped = TensorScope.Suspend();
        if (Owner.Storage is MappedFile file)
            return backend.Adopt(file, Offset, shape, dtype);
        if (backend is HostBackend)
        {
            var storage = Owner.Storage;
            storage.Retain();
            var tensor = new Tensor(backend, storage, shape, dtype, Offset);
            if (isCopy)
                Owner.Dispose(); // the tensor's is then the only reference, and disposing the tensor frees the memory
            return tensor;
        }

        var copy = Tensor.Empty(shape, dtype, backend);
        for (long start = 0; start < Length; start += ChunkBytes)
            backend.Write(copy, start, Slice(start, (int)Math.Min(ChunkBytes, Length - start)));
        GC.KeepAlive(Owner);
        return copy;
    }
}
