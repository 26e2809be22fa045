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

    public override double Run() => ReadAll(backend, memory.All, _sums);

    /// <summary>Reads a tensor from end to end on all threads; the result is its size in GB.</summary>
    public static double ReadAll(CpuBackend backend, Tensor tensor) => ReadAll(backend, tensor, new ulong[backend.Pool.Threads * 4]);

    private static double ReadAll(CpuBackend backend, Tensor tensor, ulong[] sums)
    {
        backend.Pool.Run(sums.Length, new Body(tensor.Pointer<byte>(), tensor.ByteLength, sums));
        GC.KeepAlive(tensor);
        return tensor.ByteLength / 1e9;
    }

    private readonly struct Body(byte* data, long byteLength, ulong[] sums) : IParallelBody
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int task)
        {
            // Four streams at once, in other pages: more requests to memory are on their way than one stream can cause.
            var stream = byteLength / sums.Length / 4 / 64 * 64;
            var at = data + (task * 4 * stream);
            var end = at + stream;
            Vector512<ulong> a = default, b = default, c = default, d = default;
            for (; at < end; at += 64)
            {
                Prefetch(at);
                Prefetch(at + stream);
                Prefetch(at + (2 * stream));
                Prefetch(at + (3 * stream));
                a ^= Vector512.Load((ulong*)at);
                b ^= Vector512.Load((ulong*)(at + stream));
                c ^= Vector512.Load((ulong*)(at + (2 * stream)));
                d ^= Vector512.Load((ulong*)(at + (3 * stream)));
            }

            sums[task] = Vector512.Sum(a ^ b ^ c ^ d);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Prefetch(byte* at)
        {
            if (Sse.IsSupported)
                Sse.Prefetch0(at + 4096);
        }
    }
}
