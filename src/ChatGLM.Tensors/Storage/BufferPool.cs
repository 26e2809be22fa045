using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Native memory, 64-byte aligned, reused from step to step. Sizes are rounded up to classes an eighth apart, so that a buffer fits the next step's
/// tensor of nearly the same size. Handles that nobody disposed are recovered by the garbage collector; the pool asks for a collection
/// when the memory on loan has doubled since the last one, because the collector cannot see native memory by itself.
/// </summary>
public sealed class BufferPool
{
    private const int AlignmentBytes = 64;
    private const long CollectionFloorBytes = 256L << 20;

    // Not ConcurrentBag: it cannot be used any more when this pool and its last loans are finalized together.
    private readonly ConcurrentDictionary<long, ConcurrentStack<nint>> _free = new();
    private volatile bool _finalized;
    private long _loanedBytes;
    private long _loanedBuffers;
    private long _idleBytes;
    private long _recoveredBuffers;
    private long _peakLoanedBytes;
    private long _collectAtBytes = CollectionFloorBytes;

    /// <summary>Frees the buffers that lie in the pool.</summary>
    ~BufferPool()
    {
        _finalized = true;
        Trim();
    }

    /// <summary>The bytes of all buffers on loan now.</summary>
    public long LoanedBytes => Interlocked.Read(ref _loanedBytes);

    /// <summary>The number of buffers on loan now: what a test of leaks counts.</summary>
    public long LoanedBuffers => Interlocked.Read(ref _loanedBuffers);

    /// <summary>The most bytes that were on loan at once.</summary>
    public long PeakLoanedBytes => Interlocked.Read(ref _peakLoanedBytes);

    /// <summary>The bytes of buffers waiting to be reused.</summary>
    public long IdleBytes => Interlocked.Read(ref _idleBytes);

    /// <summary>How many buffers came back through the finalizer because nobody gave them back.</summary>
    public long RecoveredBuffers => Interlocked.Read(ref _recoveredBuffers);

    /// <summary>Lends memory with undefined content.</summary>
    /// <param name="byteLength">The size wanted, in bytes.</param>
    public HostStorage Rent(long byteLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(byteLength);
        var capacityBytes = SizeClass(byteLength);
        var loanedBytes = Interlocked.Add(ref _loanedBytes, capacityBytes);
        Interlocked.Increment(ref _loanedBuffers);
        if (loanedBytes > Interlocked.Read(ref _collectAtBytes))
            loanedBytes = CollectDroppedHandles();
        RaisePeak(loanedBytes);
        if (_free.TryGetValue(capacityBytes, out var stack) && stack.TryPop(out var pointer))
            Interlocked.Add(ref _idleBytes, -capacityBytes);
        else
            pointer = Allocate(capacityBytes);
        return new PooledStorage(this, pointer, capacityBytes, byteLength);
    }

    /// <summary>Gives the idle buffers back to the operating system.</summary>
    public unsafe void Trim()
    {
        foreach (var (capacityBytes, stack) in _free)
        {
            while (stack.TryPop(out var pointer))
            {
                Interlocked.Add(ref _idleBytes, -capacityBytes);
                NativeMemory.AlignedFree((void*)pointer);
            }
        }
    }

    internal void Return(nint pointer, long capacityBytes, bool recovered)
    {
        Interlocked.Add(ref _loanedBytes, -capacityBytes);
        Interlocked.Decrement(ref _loanedBuffers);
        if (recovered)
            Interlocked.Increment(ref _recoveredBuffers);
        Interlocked.Add(ref _idleBytes, capacityBytes);
        _free.GetOrAdd(capacityBytes, static _ => []).Push(pointer);
        if (_finalized)
            Trim();
    }

    private unsafe nint Allocate(long capacityBytes)
    {
        try
        {
            return (nint)NativeMemory.AlignedAlloc((nuint)capacityBytes, AlignmentBytes);
        }
        catch (OutOfMemoryException)
        {
            // What lies idle in other size classes may be all that is missing.
            Trim();
            return (nint)NativeMemory.AlignedAlloc((nuint)capacityBytes, AlignmentBytes);
        }
    }

    private long CollectDroppedHandles()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var loanedBytes = LoanedBytes;
        Interlocked.Exchange(ref _collectAtBytes, Math.Max(CollectionFloorBytes, 2 * loanedBytes));
        return loanedBytes;
    }

    private void RaisePeak(long loanedBytes)
    {
        for (var peak = PeakLoanedBytes; loanedBytes > peak; peak = PeakLoanedBytes)
        {
            if (Interlocked.CompareExchange(ref _peakLoanedBytes, loanedBytes, peak) == peak)
                return;
        }
    }

    /// <summary>The next of eight steps between two powers of two, at least 64 bytes: at most an eighth is wasted.</summary>
    private static long SizeClass(long byteLength)
    {
        if (byteLength <= 512)
            return Math.Max(AlignmentBytes, (byteLength + AlignmentBytes - 1) & -AlignmentBytes);
        var step = 1L << (60 - (int)long.LeadingZeroCount(byteLength - 1));
        return checked(byteLength + step - 1) & -step;
    }
}
