using System.Collections.ObjectModel;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>
/// A GGUF file of llama.cpp, version 2 or 3: metadata and tensors, checked as strictly as its own reader does. Every tensor follows the one before it at the next multiple of the alignment, so none can overlap another. Values
/// and tensors are used where they lie.
/// </summary>
internal sealed class GgufFile
{
    public const string ArchitectureKey = "general.architecture";

    private const int DefaultAlignment = 32;
    private const int MaxAlignment = 1 << 20;
    private const int MaxKeyBytes = 65535;

    /// <summary>ggml.h's GGML_MAX_NAME and GGML_MAX_DIMS.</summary>
    private const int MaxNameBytes = 64;
    private const int MaxRank = 4;

    // Far above what any model has; they bound what a small file can make us keep.
    private const ulong MaxTensors = 1 << 16;
    private const ulong MaxKeys = 1 << 16;

    private readonly ByteRegion _file;
    private readonly Dictionary<string, GgufValue> _metadata = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GgufTensor> _tensors = new(StringComparer.Ordinal);

    private GgufFile(ByteRegion file)
    {
        _file = file;
        Read();
        Metadata = _metadata.AsReadOnly();
        Tensors = _tensors.AsReadOnly();
    }

    public string Path => _file.Name;

    public ReadOnlyDictionary<string, GgufValue> Metadata { get; }

    /// <summary>The tensors by their names in the file, in its order.</summary>
    public ReadOnlyDictionary<string, GgufTensor> Tensors { get; }

    /// <summary>Whether there is a file at a path that begins as a GGUF file does.</summary>
    public static bool IsAt(string path)
    {
        if (!File.Exists(path))
            return false;
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            Span<byte> head = stackalloc byte[4];
            return stream.ReadAtLeast(head, 4, throwOnEndOfStream: false) == 4 && head.SequenceEqual("GGUF"u8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // whoever opens it to read it says why it cannot be opened
        }
    }

    public static bool HasMagic(ByteRegion file) => file.Length >= 4 && file.Span(0, 4).SequenceEqual("GGUF"u8);

    public static GgufFile Open(ByteRegion file) => new(file);

    public TensorBytes Bytes(GgufTensor tensor) => new(_file, tensor.Offset, tensor.LengthInBytes);

    /// <summary>A text, or null where the file has none of this name.</summary>
    /// <exception cref="CheckpointException">It is of another type, or no text.</exception>
    public string? FindText(string key)
    {
        if (!_metadata.TryGetValue(key, out var value))
            return null;
        if (value is not { IsArray: false, Type: GgufType.String })
            throw Wrong(key, "a string", value);
        return new GgufReader(_file) { Position = value.Offset }.Text($"the value of '{key}'", MaxKeyBytes);
    }

    /// <summary>A whole number, or null where the file has none of this name.</summary>
    /// <exception cref="CheckpointException">It is of another type, or not between the bounds.</exception>
    public long? FindInteger(string key, long min, long max)
    {
        if (!_metadata.TryGetValue(key, out var value))
            return null;
        var number = value.IsArray ? null : Integer(value);
        return number is { } found && found >= min && found <= max ? (long)found : throw Wrong(key, $"a whole number from {min} to {max}", value, number?.ToString());
    }

    /// <summary>A number, or null where the file has none of this name.</summary>
    /// <exception cref="CheckpointException">It is of another type, or not between the bounds.</exception>
    public double? FindNumber(string key, double min, double max)
    {
        if (!_metadata.TryGetValue(key, out var value))
            return null;
        var reader = new GgufReader(_file) { Position = value.Offset };
        double? number = value.IsArray ? null : value.Type switch
        {
            GgufType.Float32 => reader.Number<float>(key),
            GgufType.Float64 => reader.Number<double>(key),
            _ => (double?)Integer(value),
        };
        return number is { } found && found >= min && found <= max ? found : throw Wrong(key, $"a number from {min} to {max}", value, number?.ToString());
    }

    /// <summary>A truth value, or null where the file has none of this name.</summary>
    /// <exception cref="CheckpointException">It is of another type.</exception>
    public bool? FindBool(string key)
    {
        if (!_metadata.TryGetValue(key, out var value))
            return null;
        return value is { IsArray: false, Type: GgufType.Bool } ? new GgufReader(_file) { Position = value.Offset }.Number<byte>(key) != 0 : throw Wrong(key, "true or false", value);
    }

    /// <summary>The bytes of each string of an array, or null where the file has none of this name.</summary>
    /// <exception cref="CheckpointException">It is of another type, longer than <paramref name="maxCount"/>, or a string is longer than <paramref name="maxBytes"/>.</exception>
    public byte[][]? FindStrings(string key, int maxCount, int maxBytes)
    {
        if (FindArray(key, GgufType.String, maxCount) is not { } value)
            return null;
        var strings = new byte[value.Count][];
        var reader = new GgufReader(_file) { Position = value.Offset };
        for (var i = 0; i < strings.Length; i++)
            strings[i] = reader.String($"element {i} of '{key}'", maxBytes).ToArray();
        GC.KeepAlive(_file);
        return strings;
    }

    /// <summary>An array of numbers of one type, or null where the file has none of this name.</summary>
    /// <exception cref="CheckpointException">It is of another type, or longer than <paramref name="maxCount"/>.</exception>
    public T[]? FindNumbers<T>(string key, GgufType type, int maxCount)
        where T : unmanaged
    {
        if (FindArray(key, type, maxCount) is not { } value)
            return null;
        var numbers = new T[value.Count];
        var reader = new GgufReader(_file) { Position = value.Offset };
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = reader.Number<T>(key);
        return numbers;
    }

    private GgufValue? FindArray(string key, GgufType type, int maxCount)
    {
        if (!_metadata.TryGetValue(key, out var value))
            return null;
        if (!value.IsArray || value.Type != type)
            throw Wrong(key, $"an array of {type}", value);
        return value.Count <= maxCount ? value : throw new CheckpointException(Path, $"'{key}' has {value.Count} elements, expected at most {maxCount}.");
    }

    private decimal? Integer(GgufValue value)
    {
        var reader = new GgufReader(_file) { Position = value.Offset };
        return value.Type switch
        {
            GgufType.UInt8 => reader.Number<byte>(""),
            GgufType.Int8 => reader.Number<sbyte>(""),
            GgufType.UInt16 => reader.Number<ushort>(""),
            GgufType.Int16 => reader.Number<short>(""),
            GgufType.UInt32 => reader.Number<uint>(""),
            GgufType.Int32 => reader.Number<int>(""),
            GgufType.UInt64 => reader.Number<ulong>(""),
            GgufType.Int64 => reader.Number<long>(""),
            _ => null,
        };
    }

    private CheckpointException Wrong(string key, string expected, GgufValue found, string? value = null) =>
        new(Path, $"'{key}' should be {expected}, found {value ?? (found.IsArray ? $"an array of {found.Count} {found.Type}" : found.Type.ToString())}.");

    private void Read()
    {
        if (!HasMagic(_file))
            throw new CheckpointException(Path, "a GGUF file was expected, but " + FileSignature.Describe(_file));
        var reader = new GgufReader(_file) { Position = 4 };
        var version = reader.Number<uint>("the version");
        if (version is not (2 or 3))
        {
            throw new CheckpointException(Path, System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(version) is 2 or 3
                ? "this is a big-endian GGUF file; its numbers stand the other way round. Convert the model on a little-endian machine, or download a file made on one."
                : $"GGUF version {version} is not read; it is 2 or 3 in files of llama.cpp since August 2023. Convert the model again.");
        }

        var tensors = reader.Number<ulong>("the number of tensors");
        var keys = reader.Number<ulong>("the number of metadata keys");
        if (tensors > MaxTensors || keys > MaxKeys)
            throw reader.Damaged($"{tensors} tensors and {keys} metadata keys are announced, the limits are {MaxTensors} and {MaxKeys}.");
        for (ulong i = 0; i < keys; i++)
        {
            var key = reader.Text($"the name of metadata key {i}", MaxKeyBytes);
            if (!_metadata.TryAdd(key, reader.Value(key)))
                throw reader.Damaged($"the metadata key '{key}' appears twice.");
        }

        var alignment = FindInteger("general.alignment", 1, MaxAlignment) ?? DefaultAlignment;
        if (alignment % 8 != 0)
            throw new CheckpointException(Path, $"'general.alignment' should be a multiple of 8, found {alignment}.");
        if (FindInteger("split.count", 0, long.MaxValue) is > 1 and var parts)
            throw new CheckpointException(Path, $"this is one of {parts} parts of a model. Join them first (llama-gguf-split --merge).");
        var announced = new List<Announced>();
        for (ulong i = 0; i < tensors; i++)
            announced.Add(ReadTensor(ref reader, i));
        Place(announced, Align(reader.Position, alignment), alignment);
    }

    private static long Align(long position, long alignment) => checked((position + alignment - 1) / alignment * alignment);

    private Announced ReadTensor(ref GgufReader reader, ulong index)
    {
        var name = reader.Text($"the name of tensor {index}", MaxNameBytes);
        var rank = reader.Number<uint>($"the number of axes of '{name}'");
        if (rank > MaxRank)
            throw reader.Damaged($"the tensor '{name}' has {rank} axes, at most {MaxRank} are read.");
        var shape = new long[rank];
        for (var axis = (int)rank - 1; axis >= 0; axis--)
        {
            var size = reader.Number<ulong>($"the shape of '{name}'");
            shape[axis] = size <= long.MaxValue ? (long)size : throw reader.Damaged($"an axis of '{name}' is said to be {size} long.");
        }

        var type = reader.Number<uint>($"the type of '{name}'");
        var (dtype, blocks) = GgmlTypes.Find(type);
        if (dtype is null && blocks is null)
        {
            throw new CheckpointException(Path, $"the tensor '{name}' is of the type {GgmlTypes.NameOf(type)}, which this library does not compute with. Supported are {GgmlTypes.Supported}: quantize the model to one of "
                + "them, or download such a file.");
        }

        return new Announced(name, dtype, blocks, shape, reader.Number<ulong>($"the offset of '{name}'"));
    }

    /// <summary>Gives every tensor its bytes, one after the other as the file's offsets must have them.</summary>
    private void Place(List<Announced> announced, long dataBegins, long alignment)
    {
        long at = 0;
        foreach (var tensor in announced)
        {
            if (tensor.Offset != (ulong)at)
                throw new CheckpointException(Path, $"the tensor '{tensor.Name}' is said to begin at data byte {tensor.Offset}, but the one before it ends at {at} with its padding. The file is damaged. Download it again.");
            var length = LengthOf(tensor);
            if (dataBegins > _file.Length || length > _file.Length - dataBegins - at)
                throw new CheckpointException(Path, $"the tensor '{tensor.Name}' needs {length} bytes at data byte {at}, but the file has only {Math.Max(0, _file.Length - dataBegins)} of data: it was cut off. Download it again.");
            if (!_tensors.TryAdd(tensor.Name, new GgufTensor(tensor.Name, tensor.DType ?? DType.UInt8, tensor.Blocks, tensor.Shape, dataBegins + at, length)))
                throw new CheckpointException(Path, $"the tensor '{tensor.Name}' appears twice. The file is damaged.");
            at = Align(at + length, alignment);
        }
    }

    private long LengthOf(Announced tensor)
    {
        try
        {
            long elements = 1;
            foreach (var size in tensor.Shape)
                elements = checked(elements * size);
            if (tensor.Blocks is not { } format)
                return checked(elements * tensor.DType!.Value.SizeInBytes());
            var (columns, bytes) = BlockQuantizedWeight.BlockOf(format);
            var width = tensor.Shape.Length == 0 ? 1 : tensor.Shape[^1];
            if (width % columns != 0)
                throw new CheckpointException(Path, $"the rows of '{tensor.Name}' have {width} elements, {format} needs a multiple of {columns}. The file is damaged.");
            return checked(elements / columns * bytes);
        }
        catch (OverflowException)
        {
            throw new CheckpointException(Path, $"the tensor '{tensor.Name}' of shape [{string.Join(", ", tensor.Shape)}] has more elements than a file can hold. The file is damaged.");
        }
    }

    private sealed record Announced(string Name, DType? DType, BlockFormat? Blocks, long[] Shape, ulong Offset);
}
