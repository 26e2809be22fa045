namespace ChatGLM.TorchSharp;

/// <summary>Tensors to libtorch and back.</summary>
public static class TorchTensorExtensions
{
    /// <summary>A copy of a tensor for libtorch: on the device where it lies, or on the processor for one of another backend. The caller disposes it.</summary>
    public static Torch.Tensor ToTorch(this Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.Backend is TorchBackend torchBackend)
            return torchBackend.ToTorch(tensor);
        var copy = Torch.empty(tensor.Shape.ToTorch(), tensor.DType.ToTorch());
        using var flat = copy.view(-1);
        var size = tensor.DType.SizeInBytes();
        var elementsPerPart = TorchBackend.MaxTransferBytes / size;
        for (long at = 0; at < tensor.ElementCount; at += elementsPerPart)
        {
            using var part = flat.narrow(0, at, Math.Min(elementsPerPart, tensor.ElementCount - at));
            tensor.Read(at * size, part.bytes);
        }

        return copy;
    }

    /// <summary>A tensor of the engine with the values of one of libtorch.</summary>
    /// <param name="tensor">Any tensor; it is not disposed.</param>
    /// <param name="backend">Where the new one lies.</param>
    public static Tensor ToTensor(this Torch.Tensor tensor, TorchBackend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        return backend.FromTorch(tensor);
    }
}
