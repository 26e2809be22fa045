using System.Runtime.InteropServices;

namespace ChatGLM.Formats;

/// <summary>Native memory for what cannot be used in place: inflated entries, tensors whose strides are not those of a plain array.</summary>
internal sealed unsafe class NativeRegion : ByteRegion
{
    /// <summary>One cache line, and the widest vector register.</summary>
    private const int Alignment = 64;

    public NativeRegion(string name, long length)
        : base(name)
    {
        Pointer = (byte*)NativeMemory.AlignedAlloc(checked((nuint)Math.Max(length, 1)), Alignment);
        Length = length;
    }

    ~NativeRegion() => NativeMemory.AlignedFree(Pointer);

    public Span<byte> Writable(long offset, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - offset);
        return new Span<byte>(Pointer + offset, checked((int)count));
    }
}
