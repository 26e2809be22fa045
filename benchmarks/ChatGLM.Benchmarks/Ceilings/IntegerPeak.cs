using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ChatGLM.Tensors;
using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>
/// How many 8-bit multiply-adds all threads together can do in registers with the instructions that the integer kernels use: a dot product instruction where .NET exposes the processor's, else products of 16 bits
/// and a sum.
/// </summary>
internal sealed unsafe class IntegerPeak(CpuBackend backend) : Measurement(CeilingName, "GOP/s", null)
{
    public const string CeilingName = "int8.dot";
    private const int Steps = 1 << 18;
    private const int Chains = 8;
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
        backend.Pool.Run(_sums.Length, new Body<TSimd, TInt, TFloat>(_sums));
        return 2.0 * 4 * Chains * TSimd.Lanes * Steps * _sums.Length / 1e9;
    }

    private readonly struct Body<TSimd, TInt, TFloat>(int[] sums) : IParallelBody
        where TSimd : struct, IGroupSimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            var quads = stackalloc long[4] { 0x0102030405060708, 0x0807060504030201, 0x0102030405060708, 0x0807060504030201 };
            var x = (byte*)quads;
            TSimd.Split(TSimd.Broadcast(0x01020304), out var first, out var second);
            TInt a = first, b = first, c = first, d = first, e = first, f = first, g = first, h = first;
            for (var step = 0; step < Steps; step++)
            {
                a = TSimd.AddBytes(a, first, second, x);
                b = TSimd.AddBytes(b, first, second, x);
                c = TSimd.AddBytes(c, first, second, x);
                d = TSimd.AddBytes(d, first, second, x);
                e = TSimd.AddBytes(e, first, second, x);
                f = TSimd.AddBytes(f, first, second, x);
                g = TSimd.AddBytes(g, first, second, x);
                h = TSimd.AddBytes(h, first, second, x);
            }

            var sink = stackalloc float[16];
            TSimd.Store(sink, TSimd.Add(
                TSimd.Add(TSimd.Add(TSimd.ToFloat(a), TSimd.ToFloat(b)), TSimd.Add(TSimd.ToFloat(c), TSimd.ToFloat(d))),
                TSimd.Add(TSimd.Add(TSimd.ToFloat(e), TSimd.ToFloat(f)), TSimd.Add(TSimd.ToFloat(g), TSimd.ToFloat(h)))));
            sums[task] = (int)sink[0];
        }
    }
}
