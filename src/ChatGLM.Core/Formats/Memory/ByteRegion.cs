namespace ChatGLM.Formats;

/// <summary>
/// Bytes at a fixed address that stay valid as long as this object is reachable: a mapped file, native memory or a pinned array.
/// Whoever keeps a pointer into it keeps the region too.
/// </summary>
internal abstract unsafe class ByteRegion(string name)
{
    /// <summary>The file's path, for messages.</summary>
    public string Name { get; } = name;

    public byte* Pointer { get; protected init; }

    public long Length { get; protected init; }

    /// <summary>A checked view. Keep the region reachable while the span is in use.</summary>
    public ReadOnlySpan<byte> Span(long offset, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - offset);
        return new ReadOnlySpan<byte>(Pointer + offset, checked((int)count));
    }
}
