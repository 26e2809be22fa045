namespace ChatGLM.TorchSharp;

/// <summary>How a <see cref="TorchBackend"/> computes.</summary>
public sealed record TorchBackendOptions
{
    /// <summary>Where tensors lie: <c>Device.Cpu</c>, or <c>Device.Cuda(0)</c> for the first NVIDIA GPU.</summary>
    public Device Device { get; init; } = Device.Cpu;

    /// <summary>
    /// The element type that matrix products multiply in: float32, float16 or bfloat16, as PyTorch's autocast. Null: float32 on the processor; on a GPU that of the weight, and float16 for a
    /// quantized one. Everything between the products is float32 in any case, and so are gradients and adapters.
    /// </summary>
    public DType? ComputeType { get; init; }
}
