using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>What every backend that computes in main memory shares: pooled storage, mapped files used in place, raw bytes in and out.</summary>
public abstract unsafe class HostBackend : Backend
{
    /// <summary>Where this backend's buffers come from, with counts for tests of leaks and memory.</summary>
    public BufferPool Memory { get; } = new();

    /// <inheritdoc/>
    public override Device Device => Device.Cpu;

    /// <inheritdoc/>
    public sealed override TensorStorage Allocate(DType dtype, long elementCount) => Memory.Rent(checked(elementCount * dtype.SizeInBytes()));

    /// <inheritdoc/>
    public sealed override Tensor Adopt(MappedFile file, long byteOffset, in Shape shape, DType dtype)
    {
        file.Retain();
        try
        {
            return new Tensor(this, file, shape, dtype, byteOffset);
        }
        catch
        {
            file.Release();
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override void Write(Tensor target, long byteOffset, ReadOnlySpan<byte> bytes)
    {
        CheckRange(target, byteOffset, bytes.Length);
        target.MakeWritable();
        bytes.CopyTo(new Span<byte>((byte*)target.Address + byteOffset, bytes.Length));
        GC.KeepAlive(target);
    }

    /// <inheritdoc/>
    public sealed override void Read(Tensor source, long byteOffset, Span<byte> bytes)
    {
        CheckRange(source, byteOffset, bytes.Length);
        new ReadOnlySpan<byte>((byte*)source.Address + byteOffset, bytes.Length).CopyTo(bytes);
        GC.KeepAlive(source);
    }

    /// <summary>A new tensor of this backend with undefined content.</summary>
    protected Tensor New(in Shape shape, DType dtype = DType.Float32) => new(this, Allocate(dtype, shape.ElementCount), shape, dtype);

    private static void CheckRange(Tensor tensor, long byteOffset, int length, [CallerMemberName] string operation = "")
    {
        if (byteOffset < 0 || byteOffset > tensor.ByteLength - length)
            throw new TensorException(operation, $"bytes {byteOffset}..{byteOffset + length} are not inside the {tensor.ByteLength} bytes of {tensor.Shape} {tensor.DType}.");
    }
}
