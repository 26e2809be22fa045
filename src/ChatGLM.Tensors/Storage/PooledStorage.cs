namespace ChatGLM.Tensors;

/// <summary>A native buffer on loan from a <see cref="BufferPool"/>.</summary>
internal sealed class PooledStorage(BufferPool pool, nint pointer, long capacityBytes, long byteLength) : HostStorage(pointer, byteLength)
{
    // The pool outlives its loans: it is reachable from here, and its own finalizer frees only what was given back.
    protected override void Free(bool finalizing) => pool.Return(Pointer, capacityBytes, finalizing);
}
