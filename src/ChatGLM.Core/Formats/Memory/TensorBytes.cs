namespace ChatGLM.Formats;

/// <summary>The elements of one tensor, contiguous and in the machine's (little-endian) order, with the memory that holds them.</summary>
internal readonly struct TensorBytes(ByteRegion owner, long offset, long length)
{
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
        const int Chunk = 1 << 24; // large enough to keep a disk busy, small enough to stay in reach of a cache
        for (long start = 0; start < Length; start += Chunk)
            stream.Write(Slice(start, (int)Math.Min(Chunk, Length - start)));
        GC.KeepAlive(Owner);
    }
}
