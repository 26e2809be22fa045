using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Merging;

/// <summary>Looks at all bytes of a tensor on all cores, and does next to nothing with them.</summary>
internal static unsafe class ByteSum
{
    private const long PieceBytes = 8 << 20;

    public static ulong Of(Tensor tensor)
    {
        var pieces = (int)((tensor.ByteLength + PieceBytes - 1) / PieceBytes);
        var sums = new ulong[pieces];
        var data = tensor.Pointer<byte>();
        Parallel.For(0, pieces, piece => sums[piece] = Sum(data + (piece * PieceBytes), Math.Min(PieceBytes, tensor.ByteLength - (piece * PieceBytes))));
        GC.KeepAlive(tensor);
        return sums.Aggregate(0UL, (a, b) => a ^ b);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong Sum(byte* data, long length)
    {
        Vector256<ulong> a = default, b = default;
        var end = data + (length / 64 * 64);
        for (; data < end; data += 64)
        {
            a ^= Vector256.Load((ulong*)data);
            b ^= Vector256.Load((ulong*)(data + 32));
        }

        return Vector256.Sum(a ^ b);
    }
}
