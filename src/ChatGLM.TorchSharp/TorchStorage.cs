namespace ChatGLM.TorchSharp;

/// <summary>Memory of libtorch: a flat tensor of one element type. It goes when the last handle goes, not when a torch scope ends.</summary>
internal sealed class TorchStorage : TensorStorage
{
    private readonly TorchMemory _memory;

    /// <param name="memory">Where it is counted.</param>
    /// <param name="flat">[elements], contiguous, in no torch scope; owned from now on.</param>
    /// <param name="dtype">Its element type.</param>
    public TorchStorage(TorchMemory memory, Torch.Tensor flat, DType dtype)
        : base(flat.NumberOfElements * dtype.SizeInBytes())
    {
        _memory = memory;
        Flat = flat;
        DType = dtype;
        memory.Lend(ByteLength);
    }

    public Torch.Tensor Flat { get; }

    public DType DType { get; }

    protected override void Free(bool finalizing)
    {
        // Found by the collector: the torch handle is then being finalized too, in any order, and frees itself.
        if (!finalizing)
            Flat.Dispose();
        _memory.Return(ByteLength, finalizing);
    }
}
