using System.Text.Json;

namespace ChatGLM.Formats;

/// <summary>The index of a sharded snapshot (<c>model.safetensors.index.json</c>, <c>pytorch_model.bin.index.json</c>): which tensor is in
/// which file.</summary>
internal sealed class ShardIndex
{
    /// <summary>The index of the largest models has a few hundred kilobytes.</summary>
    private const int MaxBytes = 64 << 20;

    private ShardIndex(string path) => Path = path;

    public string Path { get; }

    /// <summary>Tensor name to file name. The file names are checked to be plain.</summary>
    public Dictionary<string, string> WeightMap { get; } = new(StringComparer.Ordinal);

    /// <summary>The shards, each once, in the order of their names.</summary>
    public IReadOnlyList<string> Files { get; private set; } = [];

    public static ShardIndex Read(string path)
    {
        byte[] bytes;
        try
        {
            var length = new FileInfo(path).Length;
            if (length > MaxBytes)
                throw new ShardIndexException(path, $"the index has {length} bytes; none needs more than {MaxBytes}.");
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ShardIndexException(path, $"the index cannot be read: {e.Message}", e);
        }

        return Parse(bytes, path);
    }

    public static ShardIndex Parse(ReadOnlySpan<byte> utf8, string path)
    {
        var index = new ShardIndex(path);
        if (utf8.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
            utf8 = utf8[3..];
        if (utf8.TrimStart(" \t\r\n"u8).IsEmpty || FileSignature.IsLfsPointer(utf8))
            throw index.Damaged(FileSignature.Describe(utf8));
        try
        {
            index.ReadRoot(utf8);
        }
        catch (JsonException e)
        {
            throw index.Damaged($"the index is not valid JSON (line {e.LineNumber + 1}): {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            throw index.Damaged($"the index holds a string that is not valid Unicode: {e.Message}", e);
        }

        return index;
    }

    private void ReadRoot(ReadOnlySpan<byte> utf8)
    {
        var reader = new Utf8JsonReader(utf8);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Damaged($"an object with a 'weight_map' was expected, found {reader.TokenType}.");
        var found = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isMap = reader.ValueTextEquals("weight_map"u8);
            reader.Read();
            if (!isMap)
            {
                reader.Skip();
                continue;
            }

            if (found)
                throw Damaged("'weight_map' appears twice.");
            found = true;
            ReadMap(ref reader);
        }

        if (reader.Read())
            throw Damaged("something follows the last brace.");
        if (!found)
            throw Damaged("there is no 'weight_map'. Download the index again.");
    }

    private void ReadMap(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Damaged($"'weight_map' must be an object, found {reader.TokenType}.");
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw Damaged($"'weight_map' must give the file of '{name}' as a string, found {reader.TokenType}.");
            var file = reader.GetString()!;
            if (!files.TryGetValue(file, out var same))
            {
                if (SnapshotPath.ProblemWith(file) is { } problem)
                    throw Damaged($"the file '{(file.Length > 255 ? file[..255] + "..." : file)}' of '{name}' {problem}. Nothing was read from it.");
                files.Add(file, same = file);
            }

            if (!WeightMap.TryAdd(name, same)) // one string a file, not one a tensor
                throw Damaged($"'weight_map' names '{name}' twice.");
        }

        Files = [.. files.Keys.Order(StringComparer.Ordinal)];
    }

    private ShardIndexException Damaged(string problem, Exception? inner = null) => new(Path, problem, inner);
}
