using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ChatGLM.Tensors;
using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>
/// How many multiply-adds of 8-bit activations with weights of 8 or 4 bits all threads together can do in registers with the instructions that the integer kernels use: a dot product instruction where .NET exposes the
/// processor's, else products whose pairs are summed in 32 or, for 4 bits, 16 bits, which takes half as many.
/// </summary>
internal sealed unsafe class IntegerPeak(CpuBackend backend, int bits) : Measurement($"int{bits}.dot", "GOP/s", null)
{
    private const int Steps = 1 << 18;
    private const int Chains = 12;
    private readonly int[] _sums = new int[backend.Pool.Threads * 4];

    public override double Run() => backend.IntegerPath switch
    {
        IntegerPath.Avx512 => Run<GroupSimd512, Vector512<int>, Vector512<float>>(),
        IntegerPath.AvxVnni => Run<GroupSimdVnni, Vector256<int>, Vector256<float>>(),
        IntegerPath.Avx2 => Run<GroupSimd256, Vector256<int>, Vector256<float>>(),
        IntegerPath.Vector128 => Run<GroupSimd128, Vector128<int>, Vector128<float>>(),
        _ => Run<GroupScalar, int, float>(),
    };

    private double Run<TSimd, TInt, TFloat>()
        where TSimd : struct, IGroupSimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
    {
        backend.Pool.Run(_sums.Length, new Body<TSimd, TInt, TFloat>(bits, _sums));
        return 2.0 * 4 * Chains * TSimd.Lanes * Steps * _sums.Length / 1e9;
    }

    private readonly struct Body<TSimd, TInt, TFloat>(int bits, int[] sums) : IParallelBody
        where TSimd : struct, IGroupSimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            // A sum is its own factor: of equal or unchanging products the compiler would make one.
            var quads = stackalloc int[2] { 0x01020304, 0x04030201 };
            var x = (byte*)quads;
            var one = TSimd.Broadcast(0x01020304);
            TInt a = one, b = one, c = one, d = one, e = one, f = one, g = one, h = one, i = one, j = one, k = one, l = one;
            for (var step = 0; bits == 8 && step < Steps; step++)
            {
                a = TSimd.AddBytes(a, a, a, x);
                b = TSimd.AddBytes(b, b, b, x);
                c = TSimd.AddBytes(c, c, c, x);
                d = TSimd.AddBytes(d, d, d, x);
                e = TSimd.AddBytes(e, e, e, x);
                f = TSimd.AddBytes(f, f, f, x);
                g = TSimd.AddBytes(g, g, g, x);
                h = TSimd.AddBytes(h, h, h, x);
                i = TSimd.AddBytes(i, i, i, x);
                j = TSimd.AddBytes(j, j, j, x);
                k = TSimd.AddBytes(k, k, k, x);
                l = TSimd.AddBytes(l, l, l, x);
            }

            for (var step = 0; bits == 4 && step < Steps; step++)
            {
                a = TSimd.AddNibbles(a, a, x);
                b = TSimd.AddNibbles(b, b, x);
                c = TSimd.AddNibbles(c, c, x);
                d = TSimd.AddNibbles(d, d, x);
                e = TSimd.AddNibbles(e, e, x);
                f = TSimd.AddNibbles(f, f, x);
                g = TSimd.AddNibbles(g, g, x);
                h = TSimd.AddNibbles(h, h, x);
                i = TSimd.AddNibbles(i, i, x);
                j = TSimd.AddNibbles(j, j, x);
                k = TSimd.AddNibbles(k, k, x);
                l = TSimd.AddNibbles(l, l, x);
            }

            var sink = stackalloc float[16];
            var sum = TSimd.ToFloat(a);
            foreach (var chain in (ReadOnlySpan<TInt>)[b, c, d, e, f, g, h, i, j, k, l])
                sum = TSimd.Add(sum, TSimd.ToFloat(chain));
            TSimd.Store(sink, sum);
            sums[task] = (int)sink[0];
        }
    }
}
