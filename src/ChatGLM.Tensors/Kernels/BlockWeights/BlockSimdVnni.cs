using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors.Kernels;

/// <summary>AVX-VNNI: a group is one instruction. Everything else is AVX2's.</summary>
internal unsafe struct BlockSimdVnni : IBlockSimd<Vector256<float>>
{
    public static Vector256<float> Zero => Vector256<float>.Zero;

    // The second form does the same on a processor without the instruction, so that everything around it can be tested there; it is never chosen for speed.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Dot(Vector128<byte> first, Vector128<byte> second, sbyte* x, int* starts, bool isFull) => AvxVnni.IsSupported
        ? Vector256.ConvertToSingle(AvxVnni.MultiplyWideningAndAdd(Vector256.Load(starts), Vector256.Create(first, second), Vector256.Load(x)))
        : BlockSimd256.Dot(first, second, x, starts, isFull);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, float scale, Vector256<float> sum) => BlockSimd256.MultiplyAdd(a, scale, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, float first, float second, Vector256<float> sum) => BlockSimd256.MultiplyAdd(a, first, second, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(float* a, float* b, Vector256<float> sum) => BlockSimd256.MultiplyAdd(a, b, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(float* a, float* by) => BlockSimd256.Multiply(a, by);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> a) => BlockSimd256.Sum(a);
}
