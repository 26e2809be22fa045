using System.Collections.ObjectModel;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>
/// The weights of a snapshot folder or a single file, in any of the published forms, as one list of tensors. Files are mapped, not read: opening
/// twelve gigabytes takes as long as reading their headers.
/// </summary>
/// <remarks>
/// Everything in the files is checked before it is used, and nothing in them is executed. Tensors made from a checkpoint keep what they look at
/// mapped by themselves, so the checkpoint can be disposed once they are made.
/// </remarks>
public sealed class Checkpoint : IDisposable
{
    /// <summary>The weight files of a folder in transformers' order of preference.</summary>
    internal static readonly string[] WeightFiles = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

    private readonly Dictionary<string, CheckpointEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private readonly List<string> _files = [];
    private readonly List<ByteRegion> _regions = [];
    private readonly bool _isTrainingState;
    private bool _isDisposed;

    private Checkpoint(string path)
    {
        Path = path;
        try
        {
            if (path.EndsWith(".index.json", StringComparison.OrdinalIgnoreCase))
                ReadShards(ShardIndex.Read(path));
            else
                _isTrainingState = ReadFile(path);
        }
        catch
        {
            Dispose(); // or the files would stay open until the next collection
            throw;
        }

        Entries = _entries.AsReadOnly();
        Metadata = _metadata.AsReadOnly();
        Files = _files.AsReadOnly();
        IsQuantized = _entries.Keys.Any(name => name.EndsWith(".weight_scale", StringComparison.Ordinal));
        Kind = _isTrainingState ? CheckpointKind.TrainingState : CheckpointDiagnosis.Judge(_entries.Keys);
    }

    /// <summary>The weight file or index that was opened.</summary>
    public string Path { get; }

    /// <summary>How the weights are stored.</summary>
    public CheckpointFormat Format { get; private set; }

    /// <summary>What the checkpoint seems to hold.</summary>
    public CheckpointKind Kind { get; }

    /// <summary>Whether linear layers are stored as integers with a scale, as in the published -int4 and -int8 snapshots.</summary>
    public bool IsQuantized { get; }

    /// <summary>The tensors by name, in the order of the files.</summary>
    public IReadOnlyDictionary<string, CheckpointEntry> Entries { get; }

    /// <summary>The texts that safetensors files carry beside their tensors.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The files that hold the tensors.</summary>
    public ReadOnlyCollection<string> Files { get; }

    /// <summary>Opens a snapshot's weights.</summary>
    /// <param name="path">
    /// A folder, in which <c>model.safetensors</c>, <c>model.safetensors.index.json</c>, <c>pytorch_model.bin</c> and
    /// <c>pytorch_model.bin.index.json</c> are looked for in this order; or one such file of any name, or a GGUF file.
    /// </param>
    /// <exception cref="CheckpointException">A file is missing, damaged or of another kind.</exception>
    /// <exception cref="ShardIndexException">The index is damaged or does not fit its shards.</exception>
    /// <exception cref="UnsafePickleException">A .bin file asks for more than tensors and plain containers.</exception>
    public static Checkpoint Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path))
            return new Checkpoint(path);
        return FirstOf(path, WeightFiles) ?? throw new CheckpointException(path, "the folder has no weights: " + WhatIsThere(path));
    }

    /// <summary>Opens the first of several files that a folder has, such as the weights of an adapter. A link that leads out of the folder is refused.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="fileNames">Plain file names, the preferred one first.</param>
    /// <inheritdoc cref="Open" path="/exception"/>
    public static Checkpoint OpenFirst(string folder, params IReadOnlyList<string> fileNames)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(fileNames);
        return FirstOf(folder, fileNames) ?? throw new CheckpointException(folder, $"there is none of {string.Join(", ", fileNames)} in the folder. Download it again.");
    }

    /// <summary>A sentence about what this checkpoint seems to be and what to do with it, for an error that says it is not what was expected.</summary>
    public string Describe() => CheckpointDiagnosis.Describe(Kind, IsQuantized, _entries.Keys);

    /// <summary>One tensor: a view of the mapped file where its bytes lie in order, else a copy. It stays valid after the checkpoint is disposed. Of blocks it has the bytes, [rows, bytes of a row].</summary>
    /// <param name="name">The name of an entry.</param>
    /// <param name="backend">Where the tensor goes; the default backend if null.</param>
    /// <exception cref="CheckpointException">There is no such tensor, or its bytes are damaged.</exception>
    public Tensor Read(string name, Backend? backend = null)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var entry = Find(name);
        return entry.Bytes().ToTensor(StoredShapeOf(entry), entry.DType, backend ?? Backend.Default);
    }

    /// <summary>Gives the files back. Tensors made from them keep theirs mapped.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _regions.ForEach(region => region.Dispose());
    }

    /// <summary>The elements of one tensor: a view of the mapped file where it allows that.</summary>
    internal TensorBytes Bytes(string name) => Find(name).Bytes();

    private static Checkpoint? FirstOf(string folder, IReadOnlyList<string> fileNames)
    {
        foreach (var name in fileNames)
        {
            var file = System.IO.Path.Combine(folder, name);
            if (!File.Exists(file) && new FileInfo(file).LinkTarget is null)
                continue;
            if (SnapshotPath.ProblemWithTarget(folder, file) is { } problem)
                throw new CheckpointException(file, problem + ". Nothing was read from it.");
            return new Checkpoint(file);
        }

        return null;
    }

    private CheckpointEntry Find(string name) => _entries.TryGetValue(name, out var entry)
        ? entry
        : throw new CheckpointException(Path, $"there is no tensor '{name}'. {Describe()}");

    private static Shape StoredShapeOf(CheckpointEntry entry)
    {
        var shape = ShapeOf(entry);
        return entry.Blocks is not { } format ? shape
            : shape.Rank == 2 ? [shape[0], BlockQuantizedWeight.RowBytes(shape[1], format)]
            : throw new CheckpointException(entry.File, $"the tensor '{entry.Name}' has the shape {shape}; only matrices are read in {format}.");
    }

    private static Shape ShapeOf(CheckpointEntry entry)
    {
        if (entry.Shape.Count > Shape.MaxRank || entry.Shape.Any(size => size > int.MaxValue))
            throw new CheckpointException(entry.File, $"the tensor '{entry.Name}' has the shape [{string.Join(", ", entry.Shape)}]; at most "
                + $"{Shape.MaxRank} axes of at most {int.MaxValue} are read.");
        Span<int> lengths = stackalloc int[entry.Shape.Count];
        for (var axis = 0; axis < lengths.Length; axis++)
            lengths[axis] = (int)entry.Shape[axis];
        return new Shape(lengths);
    }

    private static string WhatIsThere(string folder)
    {
        var names = Directory.EnumerateFiles(folder).Select(f => System.IO.Path.GetFileName(f)!).Order(StringComparer.Ordinal).Take(1000).ToArray();
        if (names.Any(n => n.StartsWith("adapter_model.", StringComparison.Ordinal)))
            return "it holds an adapter (adapter_model.*). Load the base model first, then add the adapter with PeftModel.FromPretrained.";
        if (names.FirstOrDefault(n => n.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)) is { } gguf)
            return $"it holds '{gguf}', which is llama.cpp's format. Load it by the path of the file itself.";
        if (names.FirstOrDefault(n => n.EndsWith(".h5", StringComparison.OrdinalIgnoreCase) || n.EndsWith(".msgpack", StringComparison.OrdinalIgnoreCase)) is { } other)
            return $"it holds '{other}', weights for TensorFlow or Flax. Use the original snapshot (safetensors or .bin).";
        if (names.FirstOrDefault(n => n.Contains("-of-", StringComparison.Ordinal) && !n.EndsWith(".partial", StringComparison.Ordinal)) is { } shard)
            return $"it holds '{shard}', but not the index that goes with it (*.index.json). Download the snapshot again.";
        return $"one of {string.Join(", ", WeightFiles)} was expected, found {(names.Length == 0 ? "no file" : string.Join(", ", names.Take(8)))}. Download the snapshot again.";
    }

    private void ReadShards(ShardIndex index)
    {
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(index.Path))!;
        foreach (var name in index.Files)
        {
            var path = System.IO.Path.Combine(folder, name);
            if (!File.Exists(path))
                throw new ShardIndexException(index.Path, $"the shard '{name}' does not exist. Download it again.");
            if (SnapshotPath.ProblemWithTarget(folder, path) is { } problem)
                throw new ShardIndexException(index.Path, $"the shard '{name}' {problem}. Nothing was read from it.");
            ReadFile(path);
        }

        foreach (var (tensor, file) in index.WeightMap)
        {
            if (!_entries.TryGetValue(tensor, out var entry))
                throw new ShardIndexException(index.Path, $"the tensor '{tensor}' is not in its shard '{file}'. The index and the shards "
                    + $"are not of one snapshot: download them again.");
            if (System.IO.Path.GetFileName(entry.File) != file)
                throw new ShardIndexException(index.Path, $"the tensor '{tensor}' should be in '{file}', but is in "
                    + $"'{System.IO.Path.GetFileName(entry.File)}'. Download the snapshot again.");
        }
    }

    /// <summary>Returns whether the file holds a training state.</summary>
    private bool ReadFile(string path)
    {
        var file = ByteRegion.Map(path);
        _regions.Add(file);
        if (GgufFile.HasMagic(file))
            return ReadGguf(path, GgufFile.Open(file));
        var isTorch = ZipFile.HasSignature(file) || (file.Length > 1 && file.Span(0, 1)[0] == (byte)PickleOp.Proto && !LooksLikeSafetensors(file));
        var format = isTorch ? CheckpointFormat.PyTorch : CheckpointFormat.Safetensors;
        if (_files.Count > 0 && format != Format)
            throw new CheckpointException(path, $"this shard is of the form {format}, the ones before of {Format}. Download the snapshot again.");
        Format = format;
        _files.Add(path);
        return isTorch ? ReadTorch(path, TorchFile.Open(file)) : ReadSafetensors(path, file);
    }

    // A header of 128 + n * 256 bytes begins with the byte that begins a pickle; what follows the length tells them apart.
    private static bool LooksLikeSafetensors(ByteRegion file) => file.Length > 8 && file.Span(5, 4).SequenceEqual("\0\0\0{"u8);

    private bool ReadSafetensors(string path, ByteRegion region)
    {
        var isKnownName = path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        if (!isKnownName && !(region.Length > 8 && LooksLikeSafetensors(region)))
            throw new CheckpointException(path, "a weight file was expected, but " + FileSignature.Describe(region));
        var file = SafetensorsFile.Open(region);
        foreach (var (key, value) in file.Metadata)
            _metadata.TryAdd(key, value);
        foreach (var entry in file.Entries.Values)
            Add(new CheckpointEntry(entry.Name, entry.DType, entry.Shape, entry.LengthInBytes, path, () => file.Bytes(entry), position: entry.Begin));
        return false;
    }

    private bool ReadGguf(string path, GgufFile file)
    {
        if (_files.Count > 0)
            throw new CheckpointException(path, "a GGUF file is no shard of another checkpoint.");
        Format = CheckpointFormat.Gguf;
        _files.Add(path);
        foreach (var tensor in file.Tensors.Values)
        {
            Add(new CheckpointEntry(
                GgufNames.ToStateDict(tensor.Name), tensor.DType, tensor.Shape, tensor.LengthInBytes, path, () => file.Bytes(tensor), position: tensor.Offset, blocks: tensor.Blocks));
        }

        return false;
    }

    private bool ReadTorch(string path, TorchFile file)
    {
        if (file.Root is not PickleDict root)
            throw new CheckpointException(path, $"a dict of tensors was expected, found {(file.Root is TorchTensor ? "a single tensor" : file.Root?.GetType().Name ?? "None")}.");
        foreach (var (key, value) in root.Items)
        {
            if (key is string name && value is TorchTensor tensor)
                Add(new CheckpointEntry(name, tensor.DType, tensor.Shape, tensor.LengthInBytes, path, tensor.Bytes, tensor.Storage));
        }

        return CheckpointDiagnosis.IsTrainingState(root);
    }

    private void Add(CheckpointEntry entry)
    {
        if (_entries.TryAdd(entry.Name, entry))
            return;
        var first = _entries[entry.Name].File;
        throw new CheckpointException(entry.File, first == entry.File
            ? $"the tensor '{entry.Name}' is in the file twice."
            : $"the tensor '{entry.Name}' is already in '{System.IO.Path.GetFileName(first)}'. Download the snapshot again.");
    }
}
