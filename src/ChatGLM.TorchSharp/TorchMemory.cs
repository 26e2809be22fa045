namespace ChatGLM.TorchSharp;

/// <summary>
/// Counts what a backend's tensors hold, for tests of leaks, and asks for a collection when that has grown by a quarter since the last one: the garbage collector cannot see libtorch's memory, and tensors
/// that a user drops without disposing come back through it. libtorch itself pools what is given back.
/// </summary>
public sealed class TorchMemory
{
    private const long CollectionFloorBytes = 256L << 20;

    private long _loanedBytes;
    private long _loanedBuffers;
    private long _recoveredBuffers;
    private long _peakLoanedBytes;
    private long _collectAtBytes = CollectionFloorBytes;

    internal TorchMemory()
    {
    }

    /// <summary>The bytes of all tensors that are alive.</summary>
    public long LoanedBytes => Interlocked.Read(ref _loanedBytes);

    /// <summary>The number of storages that are alive: what a test of leaks counts.</summary>
    public long LoanedBuffers => Interlocked.Read(ref _loanedBuffers);

    /// <summary>The most bytes that were alive at once.</summary>
    public long PeakLoanedBytes => Interlocked.Read(ref _peakLoanedBytes);

    /// <summary>How many storages came back through the finalizer because nobody gave them back.</summary>
    public long RecoveredBuffers => Interlocked.Read(ref _recoveredBuffers);

    internal void Lend(long bytes)
    {
        Interlocked.Increment(ref _loanedBuffers);
        var loaned = Interlocked.Add(ref _loanedBytes, bytes);
        if (loaned > Interlocked.Read(ref _collectAtBytes))
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            loaned = LoanedBytes;
            Interlocked.Exchange(ref _collectAtBytes, loaned + Math.Max(CollectionFloorBytes, loaned / 4));
        }

        for (var peak = PeakLoanedBytes; loaned > peak; peak = PeakLoanedBytes)
        {
            if (Interlocked.CompareExchange(ref _peakLoanedBytes, loaned, peak) == peak)
                return;
        }
    }

    internal void Return(long bytes, bool recovered)
    {
        Interlocked.Add(ref _loanedBytes, -bytes);
        Interlocked.Decrement(ref _loanedBuffers);
        if (recovered)
            Interlocked.Increment(ref _recoveredBuffers);
    }
}
