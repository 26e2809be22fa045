namespace ChatGLM.Tensors;

/// <summary>
/// Memory that tensors look at, counted by reference: every <see cref="Tensor"/> handle holds one reference, and the last one to go frees
/// the memory at once. A handle that is dropped without being disposed is caught by the finalizer, so nothing is lost, only later.
/// </summary>
public abstract class TensorStorage
{
    private int _references = 1;

    /// <summary>Creates storage with one reference, the creator's.</summary>
    /// <param name="byteLength">The size in bytes.</param>
    protected TensorStorage(long byteLength) => ByteLength = byteLength;

    /// <summary>Catches storage whose handles were all dropped.</summary>
    ~TensorStorage() => Free(finalizing: true);

    /// <summary>The size in bytes.</summary>
    public long ByteLength { get; }

    /// <summary>Whether more than one handle looks at this memory. A handle that was dropped without being disposed still counts.</summary>
    internal bool IsShared => Volatile.Read(ref _references) > 1;

    /// <summary>Takes one more reference.</summary>
    public void Retain()
    {
        if (Interlocked.Increment(ref _references) <= 1)
            throw new ObjectDisposedException(nameof(TensorStorage));
    }

    /// <summary>Gives one reference back; the last one frees the memory.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _references) != 0)
            return;
        GC.SuppressFinalize(this);
        Free(finalizing: false);
    }

    /// <summary>Frees the memory, or gives it back to the pool that it came from. Called once.</summary>
    /// <param name="finalizing">Whether this is the finalizer: no other managed object may be relied on then.</param>
    protected abstract void Free(bool finalizing);
}
