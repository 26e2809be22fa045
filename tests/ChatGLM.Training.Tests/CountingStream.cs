namespace ChatGLM.Training.Tests;

/// <summary>A file of any length that is made while it is read, and counts how far that was.</summary>
internal sealed class CountingStream(Func<long, byte[]> portion, long portions) : Stream
{
    private byte[] _current = [];
    private int _used;
    private long _next;

    public long BytesRead { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => BytesRead; set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        if (_used == _current.Length)
        {
            if (_next == portions)
                return 0;
            (_current, _used) = (portion(_next++), 0);
        }

        var taken = Math.Min(buffer.Length, _current.Length - _used);
        _current.AsSpan(_used, taken).CopyTo(buffer);
        _used += taken;
        BytesRead += taken;
        return taken;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
