using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>
/// Bytes at a fixed address that stay valid as long as this object is reachable and not disposed: a mapped file or native
/// memory. Whoever keeps a pointer into it keeps the region, or a reference of its own to the storage.
/// </summary>
internal sealed unsafe class ByteRegion : IDisposable
{
    private readonly HostStorage _storage;
    private bool _isDisposed;

    private ByteRegion(string name, HostStorage storage)
    {
        Name = name;
        _storage = storage;
        Length = storage.ByteLength;
    }

    /// <summary>The file's path, for messages.</summary>
    public string Name { get; }

    public long Length { get; }

    public HostStorage Storage => _isDisposed ? throw new ObjectDisposedException(Name) : _storage;

    public byte* Pointer => (byte*)Storage.Pointer;

    /// <summary>Maps a whole file read-only.</summary>
    public static ByteRegion Map(string path)
    {
        if (Directory.Exists(path))
            throw new CheckpointException(path, "this is a folder; a weight file was expected.");
        try
        {
            return new ByteRegion(path, MappedFile.Open(path));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(path, "there is no such file. Check the path, or download the snapshot again.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CheckpointException(path, $"the file cannot be opened: {e.Message}", e);
        }
    }

    /// <summary>Native memory with undefined content.</summary>
    public static ByteRegion Allocate(string name, long length) => new(name, new NativeStorage(length));

    /// <summary>A copy of bytes that are already in memory.</summary>
    public static ByteRegion Copy(string name, ReadOnlySpan<byte> bytes)
    {
        var region = Allocate(name, bytes.Length);
        bytes.CopyTo(region.Writable(0, bytes.Length));
        return region;
    }

    /// <summary>A checked view. Keep the region reachable while the span is in use.</summary>
    public ReadOnlySpan<byte> Span(long offset, long count)
    {
        CheckRange(offset, count);
        return new ReadOnlySpan<byte>(Pointer + offset, checked((int)count));
    }

    /// <summary>A checked view of allocated memory.</summary>
    public Span<byte> Writable(long offset, long count)
    {
        if (_storage is not NativeStorage)
            throw new InvalidOperationException("Only allocated memory is written to; files are mapped read-only.");
        CheckRange(offset, count);
        return new Span<byte>(Pointer + offset, checked((int)count));
    }

    /// <summary>Gives this region's reference back; tensors made from it keep theirs.</summary>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        _storage.Release();
    }

    private void CheckRange(long offset, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - offset);
    }
}
