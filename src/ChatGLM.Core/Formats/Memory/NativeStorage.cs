using System.Runtime.InteropServices;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>Native memory for what cannot be used in place: inflated entries, tensors whose strides are not those of a plain array.</summary>
internal sealed unsafe class NativeStorage(long length) : HostStorage(Allocate(length), length)
{
    /// <summary>One cache line, and the widest vector register.</summary>
    private const int AlignmentBytes = 64;

    /// <summary>From this size on the garbage collector is told, which cannot see native memory by itself.</summary>
    private const int PressureBytes = 1 << 20;

    /// <inheritdoc/>
    protected override void Free(bool finalizing)
    {
        NativeMemory.AlignedFree((void*)Pointer);
        if (ByteLength >= PressureBytes)
            GC.RemoveMemoryPressure(ByteLength);
    }

    private static nint Allocate(long length)
    {
        var pointer = (nint)NativeMemory.AlignedAlloc(checked((nuint)Math.Max(length, 1)), AlignmentBytes);
        if (length >= PressureBytes)
            GC.AddMemoryPressure(length);
        return pointer;
    }
}
