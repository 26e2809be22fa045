using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

public sealed partial class Tensor
{
    /// <summary>The elements in place, for tensors in main memory with at most 2^31 elements.</summary>
    /// <remarks>Valid while the tensor is not disposed; a mapped file's pages must not be written to.</remarks>
    /// <exception cref="TensorException">T is not the element type, or the tensor is not in main memory.</exception>
    public unsafe Span<T> AsSpan<T>()
        where T : unmanaged
    {
        if (DTypeOf<T>() != DType)
            throw new TensorException(nameof(AsSpan), $"the tensor holds {DType}, not {DTypeOf<T>()}.");
        if (ElementCount > int.MaxValue)
            throw new TensorException(nameof(AsSpan), $"{Shape} has more elements than a span can show; read it in parts with Read.");
        return new Span<T>((void*)Address, (int)ElementCount);
    }

    /// <summary>A copy of the elements.</summary>
    public T[] ToArray<T>()
        where T : unmanaged
    {
        if (DTypeOf<T>() != DType)
            throw new TensorException(nameof(ToArray), $"the tensor holds {DType}, not {DTypeOf<T>()}.");
        var values = new T[ElementCount];
        Backend.Read(this, 0, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    /// <summary>A copy of the elements as float32, whatever floating-point type they have.</summary>
    public float[] ToFloatArray()
    {
        if (DType == DType.Float32)
            return ToArray<float>();
        using var widened = Backend.Cast(this, DType.Float32);
        return widened.ToArray<float>();
    }

    /// <summary>The value of a tensor with one element.</summary>
    public float Item()
    {
        if (ElementCount != 1)
            throw new TensorException(nameof(Item), $"expected one element, found {Shape}.");
        return ToFloatArray()[0];
    }

    /// <summary>Copies raw bytes out, in storage order (little-endian).</summary>
    /// <param name="byteOffset">Where to start, from the tensor's first byte.</param>
    /// <param name="target">What is filled.</param>
    public void Read(long byteOffset, Span<byte> target) => Backend.Read(this, byteOffset, target);

    /// <summary>The address of the first element of a tensor in main memory.</summary>
    internal nint Address => Storage is HostStorage host
        ? host.Pointer + (nint)ByteOffset
        : throw new TensorException(nameof(AsSpan), $"the tensor lies on {Device}, not in main memory.");

    internal unsafe T* Pointer<T>()
        where T : unmanaged => (T*)Address;
}
