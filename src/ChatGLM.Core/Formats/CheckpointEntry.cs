using System.Collections.ObjectModel;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>One tensor of a checkpoint, as the file describes it. Its elements are not read yet.</summary>
public sealed class CheckpointEntry
{
    private readonly Func<TensorBytes> _bytes;
    private readonly object? _storage;

    internal CheckpointEntry(string name, DType dtype, long[] shape, long lengthInBytes, string file, Func<TensorBytes> bytes, object? storage = null, long position = 0, BlockFormat? blocks = null)
    {
        Name = name;
        DType = dtype;
        Shape = Array.AsReadOnly(shape);
        LengthInBytes = lengthInBytes;
        File = file;
        _bytes = bytes;
        _storage = storage;
        Position = position;
        Blocks = blocks;
    }

    /// <summary>The name in the state dict, such as <c>transformer.layers.0.attention.query_key_value.weight</c>.</summary>
    public string Name { get; }

    /// <summary>The element type in the file; uint8 for blocks.</summary>
    public DType DType { get; }

    /// <summary>The format of the blocks that the rows of a quantized tensor of a GGUF file are made of; null for plain elements.</summary>
    public BlockFormat? Blocks { get; }

    /// <summary>The size of each dimension.</summary>
    public ReadOnlyCollection<long> Shape { get; }

    /// <summary>The size of the elements in bytes.</summary>
    public long LengthInBytes { get; }

    /// <summary>The file that holds it.</summary>
    public string File { get; }

    /// <summary>
    /// Whether both are views of one storage: tied weights, such as the output layer and the word embeddings of ChatGLM-6B in a .bin file. A safetensors file
    /// has no such thing.
    /// </summary>
    public bool SharesStorageWith(CheckpointEntry other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return ReferenceEquals(this, other) || (_storage is not null && ReferenceEquals(_storage, other._storage));
    }

    /// <summary>Where in the file it lies, as far as that is known without unpacking anything: for readers that go through a file once.</summary>
    internal long Position { get; }

    /// <summary>The elements: in place where the file allows it.</summary>
    internal TensorBytes Bytes() => _bytes();
}
