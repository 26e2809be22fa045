using System.Runtime.InteropServices;

namespace ChatGLM.Formats;

/// <summary>Bytes already in memory: what a caller holds in an array, and what the fuzzer makes.</summary>
internal sealed unsafe class PinnedRegion : ByteRegion
{
    private readonly byte[] _bytes;

    public PinnedRegion(string name, ReadOnlySpan<byte> bytes)
        : base(name)
    {
        _bytes = GC.AllocateUninitializedArray<byte>(Math.Max(bytes.Length, 1), pinned: true);
        bytes.CopyTo(_bytes);
        Pointer = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_bytes, 0);
        Length = bytes.Length;
    }
}
