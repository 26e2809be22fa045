using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// The innermost loops of <see cref="Gemm{TSimd, TVec, TPanels}"/>: a tile of the result in registers, to which one column of the left panel times one row of the right panel
/// is added per step. Every element is one chain of multiply-adds over k, whatever tile it falls in, so the bits do not depend on how the result is cut.
/// </summary>
internal static unsafe class MicroKernel
{
    /// <summary>Stores result = left * right + addend for a full tile of <paramref name="rows"/> (12, 8, 6 or 4) by two vectors.</summary>
    /// <param name="rows">The rows of the tile.</param>
    /// <param name="left">For every k, at least <paramref name="rows"/> floats.</param>
    /// <param name="leftStride">Floats from one k to the next.</param>
    /// <param name="right">For every k, two vectors.</param>
    /// <param name="k">How many steps.</param>
    /// <param name="result">The tile.</param>
    /// <param name="resultStride">Floats from one row to the next.</param>
    /// <param name="addend">What is added at the end: the result so far, a bias (with stride 0), or null.</param>
    /// <param name="addendStride">Floats from one row of the addend to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run<TSimd, TVec>(int rows, float* left, nint leftStride, float* right, int k, float* result, nint resultStride, float* addend, nint addendStride)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        if (rows == 12)
            Tile12<TSimd, TVec>(left, leftStride, right, k, result, resultStride, addend, addendStride);
        else if (rows == 8)
            Tile8<TSimd, TVec>(left, leftStride, right, k, result, resultStride, addend, addendStride);
        else if (rows == 6)
            Tile6<TSimd, TVec>(left, leftStride, right, k, result, resultStride, addend, addendStride);
        else
            Tile4<TSimd, TVec>(left, leftStride, right, k, result, resultStride, addend, addendStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile12<TSimd, TVec>(float* left, nint leftStride, float* right, int k, float* result, nint resultStride, float* addend, nint addendStride)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        TVec r0a = TSimd.Zero, r0b = TSimd.Zero;
        TVec r1a = TSimd.Zero, r1b = TSimd.Zero;
        TVec r2a = TSimd.Zero, r2b = TSimd.Zero;
        TVec r3a = TSimd.Zero, r3b = TSimd.Zero;
        TVec r4a = TSimd.Zero, r4b = TSimd.Zero;
        TVec r5a = TSimd.Zero, r5b = TSimd.Zero;
        TVec r6a = TSimd.Zero, r6b = TSimd.Zero;
        TVec r7a = TSimd.Zero, r7b = TSimd.Zero;
        TVec r8a = TSimd.Zero, r8b = TSimd.Zero;
        TVec r9a = TSimd.Zero, r9b = TSimd.Zero;
        TVec r10a = TSimd.Zero, r10b = TSimd.Zero;
        TVec r11a = TSimd.Zero, r11b = TSimd.Zero;
        for (; k > 0; k--)
        {
            var a = TSimd.Load(right);
            var b = TSimd.Load(right + TSimd.Count);
            var x = TSimd.Broadcast(left[0]);
            r0a = TSimd.MultiplyAdd(x, a, r0a);
            r0b = TSimd.MultiplyAdd(x, b, r0b);
            x = TSimd.Broadcast(left[1]);
            r1a = TSimd.MultiplyAdd(x, a, r1a);
            r1b = TSimd.MultiplyAdd(x, b, r1b);
            x = TSimd.Broadcast(left[2]);
            r2a = TSimd.MultiplyAdd(x, a, r2a);
            r2b = TSimd.MultiplyAdd(x, b, r2b);
            x = TSimd.Broadcast(left[3]);
            r3a = TSimd.MultiplyAdd(x, a, r3a);
            r3b = TSimd.MultiplyAdd(x, b, r3b);
            x = TSimd.Broadcast(left[4]);
            r4a = TSimd.MultiplyAdd(x, a, r4a);
            r4b = TSimd.MultiplyAdd(x, b, r4b);
            x = TSimd.Broadcast(left[5]);
            r5a = TSimd.MultiplyAdd(x, a, r5a);
            r5b = TSimd.MultiplyAdd(x, b, r5b);
            x = TSimd.Broadcast(left[6]);
            r6a = TSimd.MultiplyAdd(x, a, r6a);
            r6b = TSimd.MultiplyAdd(x, b, r6b);
            x = TSimd.Broadcast(left[7]);
            r7a = TSimd.MultiplyAdd(x, a, r7a);
            r7b = TSimd.MultiplyAdd(x, b, r7b);
            x = TSimd.Broadcast(left[8]);
            r8a = TSimd.MultiplyAdd(x, a, r8a);
            r8b = TSimd.MultiplyAdd(x, b, r8b);
            x = TSimd.Broadcast(left[9]);
            r9a = TSimd.MultiplyAdd(x, a, r9a);
            r9b = TSimd.MultiplyAdd(x, b, r9b);
            x = TSimd.Broadcast(left[10]);
            r10a = TSimd.MultiplyAdd(x, a, r10a);
            r10b = TSimd.MultiplyAdd(x, b, r10b);
            x = TSimd.Broadcast(left[11]);
            r11a = TSimd.MultiplyAdd(x, a, r11a);
            r11b = TSimd.MultiplyAdd(x, b, r11b);
            left += leftStride;
            right += 2 * TSimd.Count;
        }

        Store<TSimd, TVec>(0, r0a, r0b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(1, r1a, r1b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(2, r2a, r2b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(3, r3a, r3b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(4, r4a, r4b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(5, r5a, r5b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(6, r6a, r6b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(7, r7a, r7b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(8, r8a, r8b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(9, r9a, r9b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(10, r10a, r10b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(11, r11a, r11b, result, resultStride, addend, addendStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8<TSimd, TVec>(float* left, nint leftStride, float* right, int k, float* result, nint resultStride, float* addend, nint addendStride)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        TVec r0a = TSimd.Zero, r0b = TSimd.Zero;
        TVec r1a = TSimd.Zero, r1b = TSimd.Zero;
        TVec r2a = TSimd.Zero, r2b = TSimd.Zero;
        TVec r3a = TSimd.Zero, r3b = TSimd.Zero;
        TVec r4a = TSimd.Zero, r4b = TSimd.Zero;
        TVec r5a = TSimd.Zero, r5b = TSimd.Zero;
        TVec r6a = TSimd.Zero, r6b = TSimd.Zero;
        TVec r7a = TSimd.Zero, r7b = TSimd.Zero;
        for (; k > 0; k--)
        {
            var a = TSimd.Load(right);
            var b = TSimd.Load(right + TSimd.Count);
            var x = TSimd.Broadcast(left[0]);
            r0a = TSimd.MultiplyAdd(x, a, r0a);
            r0b = TSimd.MultiplyAdd(x, b, r0b);
            x = TSimd.Broadcast(left[1]);
            r1a = TSimd.MultiplyAdd(x, a, r1a);
            r1b = TSimd.MultiplyAdd(x, b, r1b);
            x = TSimd.Broadcast(left[2]);
            r2a = TSimd.MultiplyAdd(x, a, r2a);
            r2b = TSimd.MultiplyAdd(x, b, r2b);
            x = TSimd.Broadcast(left[3]);
            r3a = TSimd.MultiplyAdd(x, a, r3a);
            r3b = TSimd.MultiplyAdd(x, b, r3b);
            x = TSimd.Broadcast(left[4]);
            r4a = TSimd.MultiplyAdd(x, a, r4a);
            r4b = TSimd.MultiplyAdd(x, b, r4b);
            x = TSimd.Broadcast(left[5]);
            r5a = TSimd.MultiplyAdd(x, a, r5a);
            r5b = TSimd.MultiplyAdd(x, b, r5b);
            x = TSimd.Broadcast(left[6]);
            r6a = TSimd.MultiplyAdd(x, a, r6a);
            r6b = TSimd.MultiplyAdd(x, b, r6b);
            x = TSimd.Broadcast(left[7]);
            r7a = TSimd.MultiplyAdd(x, a, r7a);
            r7b = TSimd.MultiplyAdd(x, b, r7b);
            left += leftStride;
            right += 2 * TSimd.Count;
        }

        Store<TSimd, TVec>(0, r0a, r0b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(1, r1a, r1b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(2, r2a, r2b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(3, r3a, r3b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(4, r4a, r4b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(5, r5a, r5b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(6, r6a, r6b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(7, r7a, r7b, result, resultStride, addend, addendStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6<TSimd, TVec>(float* left, nint leftStride, float* right, int k, float* result, nint resultStride, float* addend, nint addendStride)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        TVec r0a = TSimd.Zero, r0b = TSimd.Zero;
        TVec r1a = TSimd.Zero, r1b = TSimd.Zero;
        TVec r2a = TSimd.Zero, r2b = TSimd.Zero;
        TVec r3a = TSimd.Zero, r3b = TSimd.Zero;
        TVec r4a = TSimd.Zero, r4b = TSimd.Zero;
        TVec r5a = TSimd.Zero, r5b = TSimd.Zero;
        for (; k > 0; k--)
        {
            var a = TSimd.Load(right);
            var b = TSimd.Load(right + TSimd.Count);
            var x = TSimd.Broadcast(left[0]);
            r0a = TSimd.MultiplyAdd(x, a, r0a);
            r0b = TSimd.MultiplyAdd(x, b, r0b);
            x = TSimd.Broadcast(left[1]);
            r1a = TSimd.MultiplyAdd(x, a, r1a);
            r1b = TSimd.MultiplyAdd(x, b, r1b);
            x = TSimd.Broadcast(left[2]);
            r2a = TSimd.MultiplyAdd(x, a, r2a);
            r2b = TSimd.MultiplyAdd(x, b, r2b);
            x = TSimd.Broadcast(left[3]);
            r3a = TSimd.MultiplyAdd(x, a, r3a);
            r3b = TSimd.MultiplyAdd(x, b, r3b);
            x = TSimd.Broadcast(left[4]);
            r4a = TSimd.MultiplyAdd(x, a, r4a);
            r4b = TSimd.MultiplyAdd(x, b, r4b);
            x = TSimd.Broadcast(left[5]);
            r5a = TSimd.MultiplyAdd(x, a, r5a);
            r5b = TSimd.MultiplyAdd(x, b, r5b);
            left += leftStride;
            right += 2 * TSimd.Count;
        }

        Store<TSimd, TVec>(0, r0a, r0b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(1, r1a, r1b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(2, r2a, r2b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(3, r3a, r3b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(4, r4a, r4b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(5, r5a, r5b, result, resultStride, addend, addendStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4<TSimd, TVec>(float* left, nint leftStride, float* right, int k, float* result, nint resultStride, float* addend, nint addendStride)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        TVec r0a = TSimd.Zero, r0b = TSimd.Zero;
        TVec r1a = TSimd.Zero, r1b = TSimd.Zero;
        TVec r2a = TSimd.Zero, r2b = TSimd.Zero;
        TVec r3a = TSimd.Zero, r3b = TSimd.Zero;
        for (; k > 0; k--)
        {
            var a = TSimd.Load(right);
            var b = TSimd.Load(right + TSimd.Count);
            var x = TSimd.Broadcast(left[0]);
            r0a = TSimd.MultiplyAdd(x, a, r0a);
            r0b = TSimd.MultiplyAdd(x, b, r0b);
            x = TSimd.Broadcast(left[1]);
            r1a = TSimd.MultiplyAdd(x, a, r1a);
            r1b = TSimd.MultiplyAdd(x, b, r1b);
            x = TSimd.Broadcast(left[2]);
            r2a = TSimd.MultiplyAdd(x, a, r2a);
            r2b = TSimd.MultiplyAdd(x, b, r2b);
            x = TSimd.Broadcast(left[3]);
            r3a = TSimd.MultiplyAdd(x, a, r3a);
            r3b = TSimd.MultiplyAdd(x, b, r3b);
            left += leftStride;
            right += 2 * TSimd.Count;
        }

        Store<TSimd, TVec>(0, r0a, r0b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(1, r1a, r1b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(2, r2a, r2b, result, resultStride, addend, addendStride);
        Store<TSimd, TVec>(3, r3a, r3b, result, resultStride, addend, addendStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TSimd, TVec>(int row, TVec a, TVec b, float* result, nint resultStride, float* addend, nint addendStride)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        if (addend != null)
        {
            a = TSimd.Add(TSimd.Load(addend + (row * addendStride)), a);
            b = TSimd.Add(TSimd.Load(addend + (row * addendStride) + TSimd.Count), b);
        }

        TSimd.Store(result + (row * resultStride), a);
        TSimd.Store(result + (row * resultStride) + TSimd.Count, b);
    }
}
