using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>Memory that is not there: what stands for a tensor of which only name, shape and type are of interest.</summary>
internal sealed class NoStorage(long byteLength) : TensorStorage(byteLength)
{
    /// <summary>A tensor of a shape that holds no memory. It belongs to no <see cref="TensorScope"/>.</summary>
    public static Tensor Tensor(Backend backend, in Shape shape, DType dtype)
    {
        using var unscoped = TensorScope.Suspend();
        return new Tensor(backend, new NoStorage(checked(shape.ElementCount * dtype.SizeInBytes())), shape, dtype);
    }

    protected override void Free(bool finalizing)
    {
    }
}
