using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>A run of elements that tensors are views of. Two tensors on one storage are tied weights.</summary>
internal sealed class TorchStorage(string key, DType dtype, long count)
{
    private readonly Lock _lock = new();
    private Func<TensorBytes>? _open;
    private TensorBytes? _bytes;

    public string Key { get; } = key;

    public DType DType { get; } = dtype;

    /// <summary>The number of elements.</summary>
    public long Count { get; } = count;

    public long LengthInBytes => Count * DType.SizeInBytes();

    public bool HasBytes => _open is not null;

    /// <summary>Says where the bytes come from; they are unpacked, where that is needed, on first use.</summary>
    public void Attach(Func<TensorBytes> open) => _open = open;

    public TensorBytes Bytes()
    {
        lock (_lock)
            return _bytes ??= (_open ?? throw new InvalidOperationException($"The storage '{Key}' has no bytes yet."))();
    }
}
