using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ChatGLM.Tensors;
using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>How many float32 multiply-adds all threads together can do in registers, at the vector width in use.</summary>
internal sealed class FmaPeak(CpuBackend backend) : Measurement(CeilingName, "GFLOP/s", null)
{
    public const string CeilingName = "fma.f32";
    private const int Steps = 1 << 19;
    private const int Chains = 12;
    private readonly float[] _sums = new float[backend.Pool.Threads * 4];

    public override double Run() => backend.VectorBits switch
    {
        512 => Run<Simd512, Vector512<float>>(),
        256 => Run<Simd256, Vector256<float>>(),
        128 => Run<Simd128, Vector128<float>>(),
        _ => Run<SimdScalar, float>(),
    };

    private double Run<TSimd, TVec>()
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        backend.Pool.Run(_sums.Length, new Body<TSimd, TVec>(_sums));
        return 2.0 * Chains * TSimd.Count * Steps * _sums.Length / 1e9;
    }

    private readonly struct Body<TSimd, TVec>(float[] sums) : IParallelBody
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            TVec x = TSimd.Broadcast(0.999f), y = TSimd.Broadcast(0.001f);
            TVec a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
            for (var step = 0; step < Steps; step++)
            {
                a = TSimd.MultiplyAdd(a, x, y);
                b = TSimd.MultiplyAdd(b, x, y);
                c = TSimd.MultiplyAdd(c, x, y);
                d = TSimd.MultiplyAdd(d, x, y);
                e = TSimd.MultiplyAdd(e, x, y);
                f = TSimd.MultiplyAdd(f, x, y);
                g = TSimd.MultiplyAdd(g, x, y);
                h = TSimd.MultiplyAdd(h, x, y);
                i = TSimd.MultiplyAdd(i, x, y);
                j = TSimd.MultiplyAdd(j, x, y);
                k = TSimd.MultiplyAdd(k, x, y);
                l = TSimd.MultiplyAdd(l, x, y);
            }

            a = TSimd.Add(TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d)), TSimd.Add(TSimd.Add(e, f), TSimd.Add(g, h)));
            sums[task] = TSimd.Sum(TSimd.Add(a, TSimd.Add(TSimd.Add(i, j), TSimd.Add(k, l))));
        }
    }
}
