using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>
/// Has the pages of mapped weights read from the disk by a thread of its own, a few weights ahead of the one that is worked on: disk and processor are then busy at the same time.
/// For weights that are in memory already it costs next to nothing. Where the weights and as much again do not fit into memory, the pages of a weight are given back once it has been worked on: what is
/// still to be read, and what is made of it, then takes their place.
/// </summary>
internal sealed class ReadAhead : IDisposable
{
    private const int PageBytes = 4096;

    /// <summary>Half a gigabyte or so in the published models: more could push out of memory what was just read.</summary>
    private const int WeightsAhead = 4;

    private readonly IReadOnlyList<Tensor> _weights;
    private readonly SemaphoreSlim _room = new(WeightsAhead);
    private readonly Task _reading;
    private readonly bool _givesBack;
    private int _done;
    private volatile bool _isStopping;

    /// <param name="weights">The weights in the order in which they are wanted; none may be given back before this is disposed.</param>
    public ReadAhead(IReadOnlyList<Tensor> weights)
    {
        _weights = weights;
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        _givesBack = memory > 0 && 2.0 * weights.Sum(weight => weight.ByteLength) > 0.75 * memory;
        _reading = Task.Run(Read);
    }

    /// <summary>Says that a weight has been worked on.</summary>
    public void Next()
    {
        if (_givesBack)
            _weights[_done].ReleasePages(fromCache: true);
        _done++;
        _room.Release();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isStopping = true;
        _room.Release();
        _reading.Wait();
        _room.Dispose();
    }

    private void Read()
    {
        Span<byte> one = stackalloc byte[1];
        foreach (var weight in _weights)
        {
            _room.Wait();
            for (long at = 0; at < weight.ByteLength && !_isStopping; at += PageBytes)
                weight.Read(at, one);
            if (_isStopping)
                return;
        }
    }
}
