using System.Runtime.InteropServices;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>Bytes already in memory: what a caller holds in an array, and what the fuzzer makes.</summary>
internal sealed class PinnedStorage : HostStorage
{
    // Only keeps the array alive: it lies on the pinned heap and does not move.
    private readonly byte[] _bytes;

    public PinnedStorage(ReadOnlySpan<byte> bytes)
        : this(Pin(bytes), bytes.Length)
    {
    }

    private PinnedStorage(byte[] pinned, int length)
        : base(Marshal.UnsafeAddrOfPinnedArrayElement(pinned, 0), length) => _bytes = pinned;

    /// <inheritdoc/>
    protected override void Free(bool finalizing) => GC.KeepAlive(_bytes);

    private static byte[] Pin(ReadOnlySpan<byte> bytes)
    {
        var pinned = GC.AllocateUninitializedArray<byte>(Math.Max(bytes.Length, 1), pinned: true);
        bytes.CopyTo(pinned);
        return pinned;
    }
}
