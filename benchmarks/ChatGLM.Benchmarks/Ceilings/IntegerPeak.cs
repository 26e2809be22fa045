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
            var sink = stackalloc float[16];
            var one = TSimd.Broadcast(0x01020304);
            TInt a = one, b = one, c = one, d = one, e = one, f = one, g = one, h = one, i = one, j = one, k = one, l = one;
            for (var step = 0; bits == 8 && step < Steps; step++)
            {
                TSimd.AddBytesInPairs(ref a, ref b, a, a, b, b, x);
                TSimd.AddBytesInPairs(ref c, ref d, c, c, d, d, x);
                TSimd.AddBytesInPairs(ref e, ref f, e, e, f, f, x);
                TSimd.AddBytesInPairs(ref g, ref h, g, g, h, h, x);
                TSimd.AddBytesInPairs(ref i, ref j, i, i, j, j, x);
                TSimd.AddBytesInPairs(ref k, ref l, k, k, l, l, x);
            }

            for (var step = 0; bits == 4 && step < Steps; step++)
            {
                TSimd.AddNibblesInFours(ref a, ref b, ref c, ref d, a, b, x, x + 4);
                TSimd.AddNibblesInFours(ref e, ref f, ref g, ref h, e, f, x, x + 4);
                TSimd.AddNibblesInFours(ref i, ref j, ref k, ref l, i, j, x, x + 4);
            }

            // No call may stand behind the loops: the chains would be spilled in every turn of them.
            var sum = TSimd.Add(TSimd.Add(TSimd.ToFloat(a), TSimd.ToFloat(b)), TSimd.Add(TSimd.ToFloat(c), TSimd.ToFloat(d)));
            sum = TSimd.Add(sum, TSimd.Add(TSimd.Add(TSimd.ToFloat(e), TSimd.ToFloat(f)), TSimd.Add(TSimd.ToFloat(g), TSimd.ToFloat(h))));
            TSimd.Store(sink, TSimd.Add(sum, TSimd.Add(TSimd.Add(TSimd.ToFloat(i), TSimd.ToFloat(j)), TSimd.Add(TSimd.ToFloat(k), TSimd.ToFloat(l)))));
            sums[task] = (int)sink[0];
        }
    }
}
