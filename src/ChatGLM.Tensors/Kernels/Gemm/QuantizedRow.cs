using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Pieces of a quantized row as float32: each integer times the scale of the row.</summary>
internal static unsafe class QuantizedRow<TSimd, TVec, TFormat>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
    where TFormat : struct, IPairFormat
{
    /// <summary>Writes <paramref name="count"/> elements, and nothing behind them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Widen(byte* source, int count, float scale, float* target)
    {
        var blockElements = 2 * TSimd.Count;
        var broadcast = TSimd.Broadcast(scale);
        var i = 0;
        for (; i <= count - blockElements; i += blockElements)
            WidenBlock(source + ((nint)i * TFormat.BitsPerElement / 8), broadcast, target + i);
        if (i == count)
            return;
        var block = stackalloc float[2 * TSimd.Count];
        WidenTail(source + ((nint)i * TFormat.BitsPerElement / 8), count - i, broadcast, block);
        new ReadOnlySpan<float>(block, count - i).CopyTo(new Span<float>(target + i, count - i));
    }

    /// <summary>Writes the 2 * Count elements of a whole block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WidenBlock(byte* source, TVec scale, float* target)
    {
        TFormat.LoadPair<TSimd, TVec>(source, out var first, out var second);
        first = TSimd.Multiply(first, scale);
        second = TSimd.Multiply(second, scale);
        if (TFormat.PairsAreInterleaved)
        {
            TSimd.StoreInterleaved(target, first, second);
        }
        else
        {
            TSimd.Store(target, first);
            TSimd.Store(target + TSimd.Count, second);
        }
    }

    /// <summary>Writes a block of which only the first elements are there, the others zero. Nothing behind them is read: it can be the end of a mapped file.</summary>
    [SkipLocalsInit]
    public static void WidenTail(byte* source, int count, TVec scale, float* target)
    {
        var bytes = stackalloc byte[2 * TSimd.Count];
        var block = new Span<byte>(bytes, 2 * TSimd.Count);
        block.Clear();
        new ReadOnlySpan<byte>(source, count * TFormat.BitsPerElement / 8).CopyTo(block);
        WidenBlock(bytes, scale, target);
    }
}
