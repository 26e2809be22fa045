using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// How 32-bit words of a row-quantized weight come apart into pairs of 16-bit numbers by shifts alone, without crossing lanes: into two at 8 bits, four at 4. Which columns make a pair follows from the
/// place of their bits; activations are put into the same order.
/// </summary>
internal static class RowFields<TFormat>
    where TFormat : struct, IPairFormat
{
    /// <summary>Pairs in a word.</summary>
    public static int Parts
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 16 / TFormat.BitsPerElement;
    }

    /// <summary>Pair <paramref name="part"/> of every word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Take<TSimd, TVec>(TVec words, int part)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct => TSimd.TakeField(words, (Parts - 1 - part) * TFormat.BitsPerElement, 16 - TFormat.BitsPerElement);
}
