using System.Runtime.Intrinsics;
using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Tensors.Tests.Gemm;

public class ElementFormatTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public unsafe void Widens_every_half_and_every_bfloat16(int vectorBits)
    {
        var kernels = MatrixKernels.For(MatrixData.Cpu(vectorBits).VectorBits);
        var bits = Enumerable.Range(0, 65536).Select(value => (ushort)value).ToArray();
        var widened = new float[65536];
        fixed (ushort* source = bits)
        {
            fixed (float* target = widened)
            {
                kernels.Widen((byte*)source, DType.Float16, bits.Length, target);
                for (var i = 0; i < bits.Length; i++)
                    Same(widened[i], (float)BitConverter.UInt16BitsToHalf(bits[i])).Should().BeTrue("half {0:X4} was widened to {1}", i, widened[i]);
                kernels.Widen((byte*)source, DType.BFloat16, bits.Length, target);
                for (var i = 0; i < bits.Length; i++)
                    BitConverter.SingleToUInt32Bits(widened[i]).Should().Be((uint)i << 16);
            }
        }
    }

    [Fact]
    public void Widens_every_half_in_pairs()
    {
        CheckPairs<SimdScalar, float>();
        if (Vector128.IsHardwareAccelerated)
            CheckPairs<Simd128, Vector128<float>>();
        if (MatrixData.Cpu(256).VectorBits == 256)
            CheckPairs<Simd256, Vector256<float>>();
        if (MatrixData.Cpu(512).VectorBits == 512)
            CheckPairs<Simd512, Vector512<float>>();
    }

    private static unsafe void CheckPairs<TSimd, TVec>()
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var bits = Enumerable.Range(0, 65536).Select(value => (ushort)value).ToArray();
        var pair = stackalloc float[2 * TSimd.Count];
        fixed (ushort* source = bits)
        {
            for (var start = 0; start < bits.Length; start += 2 * TSimd.Count)
            {
                Float16Format.LoadPair<TSimd, TVec>((byte*)(source + start), out var even, out var odd);
                TSimd.Store(pair, even);
                TSimd.Store(pair + TSimd.Count, odd);
                for (var i = 0; i < TSimd.Count; i++)
                {
                    IsScaled(pair[i], bits[start + (2 * i)]).Should().BeTrue();
                    IsScaled(pair[TSimd.Count + i], bits[start + (2 * i) + 1]).Should().BeTrue();
                }
            }
        }
    }

    // Pairs come scaled by a power of two, and the sign of zero may be lost.
    private static bool IsScaled(float actual, ushort half)
    {
        var value = (float)BitConverter.UInt16BitsToHalf(half);
        return float.IsNaN(value) ? float.IsNaN(actual) : actual == value * (float)Math.Pow(2, Float16Format.PairExponent);
    }

    private static bool Same(float a, float b) => float.IsNaN(b) ? float.IsNaN(a) : BitConverter.SingleToUInt32Bits(a) == BitConverter.SingleToUInt32Bits(b);
}
