using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>AVX2 with FMA: pairs are summed in 16 bits, which 2 * 128 * 127 just fits.</summary>
internal unsafe struct BlockSimd256 : IBlockSimd<Vector256<float>>
{
    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Dot(Vector128<byte> first, Vector128<byte> second, sbyte* x, int* starts, bool isFull)
    {
        var numbers = Vector256.Create(first, second);
        var activations = Vector256.Load(x);
        if (!isFull)
            return Vector256.ConvertToSingle(Vector256.Load(starts) + Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(numbers, activations), Vector256<short>.One));
        // A full byte times an activation does not fit. Its magnitude, at most 128, times the activation with its sign does; the offset is gone with it.
        var signed = (numbers ^ Vector256.Create((byte)128)).AsSByte();
        var pairs = Avx2.MultiplyAddAdjacent(Avx2.Abs(signed), Avx2.Sign(activations, signed));
        return Vector256.ConvertToSingle(Avx2.MultiplyAddAdjacent(pairs, Vector256<short>.One));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, float scale, Vector256<float> sum) => Fma.MultiplyAdd(a, Vector256.Create(scale), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, float first, float second, Vector256<float> sum) =>
        Fma.MultiplyAdd(a, Vector256.Create(Vector128.Create(first), Vector128.Create(second)), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(float* a, float* b, Vector256<float> sum) => Fma.MultiplyAdd(Vector256.Load(a), Vector256.Load(b), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(float* a, float* by) => (Vector256.Load(a) * Vector256.Load(by)).Store(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> a) => BlockSimd128.Sum(a.GetLower() + a.GetUpper());
}
