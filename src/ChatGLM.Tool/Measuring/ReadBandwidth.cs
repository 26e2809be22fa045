using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tool.Measuring;

/// <summary>How fast all threads together can read memory that is in no cache: the ceiling of decoding, which reads every weight once for a token.</summary>
internal sealed unsafe class ReadBandwidth : IDisposable
{
    private const int Streams = 4;
    private const int VectorBytes = 64;
    private const int PrefetchBytes = 4096;

    private readonly int _threads;
    private readonly nuint _bytes;
    private readonly byte* _memory;

    /// <summary>Takes the memory and fills it, so that it is there.</summary>
    /// <param name="threads">How many threads read.</param>
    /// <param name="bytes">How much; several times the largest cache.</param>
    public ReadBandwidth(int threads, long bytes)
    {
        _threads = threads;
        _bytes = (nuint)(bytes / (threads * Streams * VectorBytes) * (threads * Streams * VectorBytes));
        _memory = (byte*)NativeMemory.AlignedAlloc(_bytes, VectorBytes);
        NativeMemory.Fill(_memory, _bytes, 1);
    }

    /// <summary>Reads all of it once.</summary>
    /// <returns>Bytes a second.</returns>
    public double Measure()
    {
        var sums = new ulong[_threads];
        // Threads of their own: a pool would first have to find out how many it wants.
        var threads = Enumerable.Range(1, _threads - 1).Select(index => new Thread(() => sums[index] = Read(index)) { IsBackground = true }).ToArray();
        var start = Stopwatch.GetTimestamp();
        foreach (var thread in threads)
            thread.Start();
        sums[0] = Read(0);
        foreach (var thread in threads)
            thread.Join();
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        // Every thread reads as many of the same bytes. Without a use of the sums the compiler would leave the reading out.
        return sums.All(sum => sum == sums[0]) ? _bytes / seconds : throw new InvalidOperationException("The memory was not read.");
    }

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private ulong Read(int index)
    {
        // Four streams at once, in other pages: more requests to memory are on their way than one stream can cause.
        var length = _bytes / (nuint)_threads / Streams;
        var at = _memory + ((nuint)index * Streams * length);
        Vector512<ulong> a = default, b = default, c = default, d = default;
        for (var end = at + length; at < end; at += VectorBytes)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(at + PrefetchBytes);
                Sse.Prefetch0(at + length + PrefetchBytes);
                Sse.Prefetch0(at + (2 * length) + PrefetchBytes);
                Sse.Prefetch0(at + (3 * length) + PrefetchBytes);
            }

            a ^= Vector512.Load((ulong*)at);
            b ^= Vector512.Load((ulong*)(at + length));
            c ^= Vector512.Load((ulong*)(at + (2 * length)));
            d ^= Vector512.Load((ulong*)(at + (3 * length)));
        }

        return Vector512.Sum(a ^ b ^ c ^ d);
    }
}
