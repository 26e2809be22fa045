namespace ChatGLM.Tensors;

/// <summary>Storage in main memory at a fixed address: pooled native memory, or a view into a mapped file.</summary>
public abstract class HostStorage : TensorStorage
{
    /// <summary>Creates storage over memory that does not move.</summary>
    /// <param name="pointer">The first byte.</param>
    /// <param name="byteLength">The size in bytes.</param>
    protected HostStorage(nint pointer, long byteLength)
        : base(byteLength) => Pointer = pointer;

    /// <summary>The address of the first byte.</summary>
    public nint Pointer { get; }
}
