using System.Runtime.InteropServices;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>A tensor out of a PyTorch file: a strided view of a storage, checked to lie inside it.</summary>
internal sealed class TorchTensor
{
    /// <summary>Far above any tensor in use.</summary>
    public const int MaxRank = 64;

    /// <summary>An expanded tensor (stride 0) is larger than its storage; beyond this many bytes that is an attack on memory.</summary>
    private const long MaxExpandedBytes = 64L << 20;

    private TorchTensor(TorchStorage storage, long offset, long[] shape, long[] strides, long elements)
    {
        Storage = storage;
        Offset = offset;
        Shape = shape;
        Strides = strides;
        Elements = elements;
    }

    public TorchStorage Storage { get; }

    public DType DType => Storage.DType;

    /// <summary>The first element, counted in elements of the storage.</summary>
    public long Offset { get; }

    public long[] Shape { get; }

    /// <summary>In elements, as PyTorch gives them.</summary>
    public long[] Strides { get; }

    public long Elements { get; }

    public long LengthInBytes => Elements * DType.SizeInBytes();

    /// <summary>Whether the elements lie in memory as a plain array would have them, so that they are used in place.</summary>
    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (var i = Shape.Length - 1; i >= 0; i--)
            {
                if (Shape[i] != 1 && Strides[i] != expected)
                    return Elements == 0;
                expected *= Shape[i];
            }

            return true;
        }
    }

    /// <summary>Checks the view against its storage. Returns what is wrong, or null.</summary>
    public static string? TryCreate(TorchStorage storage, long offset, long[] shape, long[] strides, out TorchTensor? tensor)
    {
        tensor = null;
        if (shape.Length != strides.Length)
            return $"a tensor has {shape.Length} sizes but {strides.Length} strides";
        if (shape.Length > MaxRank)
            return $"a tensor has {shape.Length} dimensions, at most {MaxRank} are read";
        if (offset < 0 || shape.Any(n => n < 0) || strides.Any(n => n < 0))
            return $"a tensor has a negative offset, size or stride (offset {offset}, sizes [{string.Join(", ", shape)}], strides "
                + $"[{string.Join(", ", strides)}])";
        try
        {
            long elements = 1;
            var last = offset;
            for (var i = 0; i < shape.Length; i++)
            {
                elements = checked(elements * shape[i]);
                last = checked(last + (Math.Max(shape[i] - 1, 0) * strides[i]));
            }

            var bytes = checked(elements * storage.DType.SizeInBytes());
            if (elements == 0 ? offset > storage.Count : last >= storage.Count)
                return $"a tensor of sizes [{string.Join(", ", shape)}], strides [{string.Join(", ", strides)}] and offset {offset} reaches "
                    + $"beyond its storage '{storage.Key}' of {storage.Count} elements";
            if (elements > storage.Count && bytes > MaxExpandedBytes)
                return $"a tensor of sizes [{string.Join(", ", shape)}] unfolds to {bytes} bytes out of a storage of {storage.LengthInBytes}";
            tensor = new TorchTensor(storage, offset, shape, strides, elements);
            return null;
        }
        catch (OverflowException)
        {
            return $"a tensor of sizes [{string.Join(", ", shape)}] and strides [{string.Join(", ", strides)}] has more elements than a file can hold";
        }
    }

    /// <summary>The elements in order: a view where they lie so already, else a copy.</summary>
    public TensorBytes Bytes()
    {
        var storage = Storage.Bytes();
        var size = DType.SizeInBytes();
        if (Elements == 0)
            return new TensorBytes(storage.Owner, storage.Offset, 0);
        if (IsContiguous)
            return new TensorBytes(storage.Owner, storage.Offset + (Offset * size), LengthInBytes);

        var copy = ByteRegion.Allocate(storage.Owner.Name, LengthInBytes);
        switch (size)
        {
            case 1: Gather<byte>(storage, copy); break;
            case 2: Gather<ushort>(storage, copy); break;
            case 4: Gather<uint>(storage, copy); break;
            default: Gather<ulong>(storage, copy); break;
        }

        GC.KeepAlive(storage.Owner);
        return new TensorBytes(copy, 0, LengthInBytes, isCopy: true);
    }

    /// <summary>Counts through the indices like an odometer, one row of the last dimension a turn.</summary>
    private unsafe void Gather<T>(TensorBytes storage, ByteRegion copy)
        where T : unmanaged
    {
        var from = storage.Owner.Pointer + storage.Offset + (Offset * sizeof(T));
        var to = (T*)copy.Pointer;
        Span<long> index = stackalloc long[Shape.Length];
        var (rowLength, rowStride) = (Shape[^1], Strides[^1]);
        for (long row = 0; row < Elements / rowLength; row++)
        {
            // Not aligned where the storage itself is not.
            for (long i = 0; i < rowLength; i++)
                *to++ = MemoryMarshal.Read<T>(new ReadOnlySpan<byte>(from + (i * rowStride * sizeof(T)), sizeof(T)));
            for (var d = Shape.Length - 2; d >= 0; d--)
            {
                from += Strides[d] * sizeof(T);
                if (++index[d] < Shape[d])
                    break;
                from -= index[d] * Strides[d] * sizeof(T);
                index[d] = 0;
            }
        }
    }
}
