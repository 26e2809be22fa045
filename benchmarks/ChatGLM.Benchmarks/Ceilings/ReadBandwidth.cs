using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>How fast all threads together can read memory that is in no cache: 64 bytes at a time, nothing done with them but an exclusive or.</summary>
internal sealed unsafe class ReadBandwidth(CpuBackend backend, ColdWeights memory) : Measurement(CeilingName, "GB/s", null)
{
    public const string CeilingName = "memory.read";
    private readonly ulong[] _sums = new ulong[backend.Pool.Threads * 4];

    public override double Run()
    {
        backend.Pool.Run(_sums.Length, new Body(memory.All.Pointer<byte>(), memory.All.ByteLength, _sums));
        return memory.All.ByteLength / 1e9;
    }

    private readonly struct Body(byte* data, long byteLength, ulong[] sums) : IParallelBody
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            var step = byteLength / sums.Length / 4096 * 4096;
            var at = data + (task * step);
            var end = at + step;
            Vector512<ulong> a = default, b = default, c = default, d = default;
            for (; at < end; at += 256)
            {
                if (Sse.IsSupported)
                {
                    Sse.Prefetch0(at + 4096);
                    Sse.Prefetch0(at + 4096 + 64);
                    Sse.Prefetch0(at + 4096 + 128);
                    Sse.Prefetch0(at + 4096 + 192);
                }

                a ^= Vector512.Load((ulong*)at);
                b ^= Vector512.Load((ulong*)(at + 64));
                c ^= Vector512.Load((ulong*)(at + 128));
                d ^= Vector512.Load((ulong*)(at + 192));
            }

            sums[task] = Vector512.Sum(a ^ b ^ c ^ d);
        }
    }
}
