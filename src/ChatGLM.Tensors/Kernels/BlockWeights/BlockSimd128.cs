using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Vectors of 128 bits, two for the eight lanes: Arm's dot product instruction, SSSE3's sums of pairs, or plain products on anything else, scalar processors included.</summary>
internal unsafe struct BlockSimd128 : IBlockSimd<BlockSimd128.Eight>
{
    public static Eight Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Eight Dot(Vector128<byte> first, Vector128<byte> second, sbyte* x, int* starts, bool isFull) =>
        new(Dot(first, Vector128.Load(x), starts, isFull), Dot(second, Vector128.Load(x + 16), starts + 4, isFull));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Eight MultiplyAdd(Eight a, float scale, Eight sum) => MultiplyAdd(a, scale, scale, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Eight MultiplyAdd(Eight a, float first, float second, Eight sum) =>
        new(Vector128.FusedMultiplyAdd(a.Lower, Vector128.Create(first), sum.Lower), Vector128.FusedMultiplyAdd(a.Upper, Vector128.Create(second), sum.Upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Eight MultiplyAdd(float* a, float* b, Eight sum) =>
        new(Vector128.FusedMultiplyAdd(Vector128.Load(a), Vector128.Load(b), sum.Lower), Vector128.FusedMultiplyAdd(Vector128.Load(a + 4), Vector128.Load(b + 4), sum.Upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(float* a, float* by)
    {
        (Vector128.Load(a) * Vector128.Load(by)).Store(a);
        (Vector128.Load(a + 4) * Vector128.Load(by + 4)).Store(a + 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Eight a) => Sum(a.Lower + a.Upper);

    /// <summary>The sum of four lanes: halves, then the two that are left.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> a)
    {
        var halves = a + Vector128.Shuffle(a, Vector128.Create(2, 3, 0, 1));
        return halves.ToScalar() + halves.GetElement(1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Dot(Vector128<byte> numbers, Vector128<sbyte> x, int* starts, bool isFull)
    {
        if (!isFull)
        {
            var start = Vector128.Load(starts);
            return Vector128.ConvertToSingle(Ssse3.IsSupported ? start + Sse2.MultiplyAddAdjacent(Ssse3.MultiplyAddAdjacent(numbers, x), Vector128<short>.One)
                : Dp.IsSupported ? Dp.DotProduct(start, numbers.AsSByte(), x)
                : start + Products(numbers.AsSByte(), x));
        }

        // A full byte times an activation does not fit 16 bits. Its magnitude, at most 128, times the activation with its sign does; the offset is gone with it.
        var signed = (numbers ^ Vector128.Create((byte)128)).AsSByte();
        return Vector128.ConvertToSingle(Ssse3.IsSupported ? Sse2.MultiplyAddAdjacent(Ssse3.MultiplyAddAdjacent(Ssse3.Abs(signed), Ssse3.Sign(x, signed)), Vector128<short>.One)
            : Dp.IsSupported ? Dp.DotProduct(Vector128<int>.Zero, signed, x)
            : Products(signed, x));
    }

    /// <summary>Sums of four products of signed bytes, byte by byte in 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Products(Vector128<sbyte> a, Vector128<sbyte> b)
    {
        var (x, y) = (a.AsInt32(), b.AsInt32());
        var sum = ((x << 24) >> 24) * ((y << 24) >> 24);
        sum += ((x << 16) >> 24) * ((y << 16) >> 24);
        sum += ((x << 8) >> 24) * ((y << 8) >> 24);
        return sum + ((x >> 24) * (y >> 24));
    }

    /// <summary>Eight lanes.</summary>
    internal readonly struct Eight(Vector128<float> lower, Vector128<float> upper)
    {
        public readonly Vector128<float> Lower = lower;

        public readonly Vector128<float> Upper = upper;
    }
}
