using System.Globalization;
using System.IO.Compression;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>
/// Files of <c>torch.save</c> that hold more than weights by name, such as a trainer's <c>optimizer.pt</c>, <c>scheduler.pt</c> and <c>rng_state.pth</c>. <see cref="Checkpoint"/> is for
/// weights. Nothing in a file is executed.
/// </summary>
public static class TorchArchive
{
    /// <summary>The oldest time that a zip file can name: the same values give the same bytes.</summary>
    private static readonly DateTimeOffset Time = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Reads what was saved (<c>torch.load</c> with <c>weights_only</c>).</summary>
    /// <param name="path">A file of torch.save in its zip form or the form before that.</param>
    /// <param name="backend">Where tensors go; the default backend if null. They are views of the mapped file where that allows it.</param>
    /// <returns>
    /// null, <see cref="bool"/>, <see cref="long"/>, <see cref="System.Numerics.BigInteger"/>, <see cref="double"/>, <see cref="string"/>, an array of bytes, <see cref="Tensor"/> or
    /// <see cref="NumpyArray"/>; an array of such values for a tuple, a list for a list or set, a dictionary in the order of the file for a dict; the name of a type or device.
    /// </returns>
    /// <exception cref="CheckpointException">The file is missing, damaged or of another kind.</exception>
    /// <exception cref="UnsafePickleException">The file asks for more than tensors and plain containers.</exception>
    public static object? Load(string path, Backend? backend = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var region = ByteRegion.Map(path);
        return Plain(TorchFile.Open(region).Root, path, backend ?? Backend.Default);
    }

    /// <summary>Writes a value as <c>torch.save</c> does, for <c>torch.load</c> and <see cref="Load"/>. After a crash there is the old file or the new one.</summary>
    /// <param name="value">
    /// null, truth values, whole and floating-point numbers, text, arrays of bytes and tensors; arrays, which become tuples, lists and dictionaries of them. A tensor that occurs twice
    /// is written once.
    /// </param>
    /// <param name="path">The file.</param>
    /// <exception cref="ArgumentException">The value, or one inside it, is of another type.</exception>
    public static void Save(object? value, string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var (pickle, storages) = TorchPickler.Write(value);
        var folder = Path.GetFileNameWithoutExtension(path);
        AtomicFile.Write(path, stream =>
        {
            using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
            Add(archive, $"{folder}/data.pkl", entry => entry.Write(pickle.Span));
            for (var key = 0; key < storages.Count; key++)
            {
                var name = key.ToString(CultureInfo.InvariantCulture);
                Add(archive, $"{folder}/data/{name}", TensorSource.From(name, storages[key]).WriteTo);
            }

            Add(archive, $"{folder}/version", entry => entry.Write("3\n"u8));
        });
    }

    /// <summary>Stored, not packed: PyTorch maps such files, and numbers hardly get smaller.</summary>
    private static void Add(ZipArchive archive, string name, Action<Stream> write)
    {
        var entry = archive.CreateEntry(name, CompressionLevel.NoCompression);
        entry.LastWriteTime = Time;
        using var stream = entry.Open();
        write(stream);
    }

    /// <summary>Recursion is bounded: <see cref="PickleContainer"/> limits depth and size while it is read.</summary>
    private static object? Plain(object? value, string path, Backend backend) => value switch
    {
        TorchTensor tensor => tensor.Bytes().ToTensor(ShapeOf(tensor, path), tensor.DType, backend),
        PickleSequence { Kind: PickleSequenceKind.Tuple or PickleSequenceKind.TorchSize, Items: var items } => items.Select(item => Plain(item, path, backend)).ToArray(),
        PickleSequence { Items: var items } => items.Select(item => Plain(item, path, backend)).ToList(),
        PickleDict dict => Dictionary(dict, path, backend),
        TorchDevice device => device.Name,
        DType dtype => dtype.ToString(),
        PickleGlobal or TorchStorage => throw new CheckpointException(path, "a value is a function or the bare storage of a tensor, which is not read."),
        NumpyDType dtype => dtype.Code,
        _ => value,
    };

    private static Dictionary<object, object?> Dictionary(PickleDict dict, string path, Backend backend)
    {
        var plain = new Dictionary<object, object?>(dict.Items.Count);
        foreach (var (key, value) in dict.Items)
        {
            if (key is not (string or long or bool or double))
                throw new CheckpointException(path, $"a dict has a key that is {(key is null ? "None" : key.GetType().Name)}; expected text or a number.");
            plain[key] = Plain(value, path, backend);
        }

        return plain;
    }

    private static Shape ShapeOf(TorchTensor tensor, string path)
    {
        if (tensor.Shape.Length > Shape.MaxRank || tensor.Shape.Any(size => size > int.MaxValue))
            throw new CheckpointException(path, $"a tensor has the shape [{string.Join(", ", tensor.Shape)}]; at most {Shape.MaxRank} axes of at most {int.MaxValue} are read.");
        return new Shape([.. tensor.Shape.Select(size => (int)size)]);
    }
}
