using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Native memory, 64-byte aligned, reused from step to step. Sizes are rounded up to classes an eighth apart, so that a buffer fits the next step's
/// tensor of nearly the same size. Handles that nobody disposed are recovered by the garbage collector; the pool asks for a collection
/// when the memory on loan has grown by a quarter since the last one, because the collector cannot see native memory by itself.
/// </summary>
public sealed class BufferPool
{
    private const int AlignmentBytes = 64;
    private const long CollectionFloorBytes = 256L << 20;
    private const long IdleFloorBytes = 64L << 20;

    // Nothing in here may have a finalizer of its own (as ConcurrentBag has): a storage that nobody disposed comes back from the finalizer thread, and when the pool
    // was dropped with it, in any order with whatever else is unreachable.
    private readonly ConcurrentDictionary<long, Stack<nint>> _free = new();
    private volatile bool _dropped;
    private long _loanedBytes;
    private long _loanedBuffers;
    private long _idleBytes;
    private long _recoveredBuffers;
    private long _peakLoanedBytes;
    private long _collectAtBytes = CollectionFloorBytes;

    /// <summary>Frees the buffers that lie in the pool.</summary>
    ~BufferPool()
    {
        _dropped = true;
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
        if (TryTake(capacityBytes, out var pointer))
            Interlocked.Add(ref _idleBytes, -capacityBytes);
        else
            pointer = Allocate(capacityBytes);
        return new PooledStorage(this, pointer, capacityBytes, byteLength);
    }

    /// <summary>Gives the idle buffers back to the operating system.</summary>
    public unsafe void Trim()
    {
        foreach (var capacityBytes in _free.Keys)
        {
            while (TryTake(capacityBytes, out var pointer))
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
        // What a step needs at once is worth keeping. More than that are sizes that went out of use, such as those of a shorter chat.
        if (Interlocked.Add(ref _idleBytes, capacityBytes) > Math.Max(IdleFloorBytes, PeakLoanedBytes))
            Trim();
        var stack = _free.GetOrAdd(capacityBytes, static _ => new Stack<nint>());
        lock (stack)
            stack.Push(pointer);
        if (_dropped)
            Trim();
    }

    private bool TryTake(long capacityBytes, out nint pointer)
    {
        if (!_free.TryGetValue(capacityBytes, out var stack))
        {
            pointer = 0;
            return false;
        }

        lock (stack)
            return stack.TryPop(out pointer);
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
        Interlocked.Exchange(ref _collectAtBytes, loanedBytes + Math.Max(CollectionFloorBytes, loanedBytes / 4));
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
