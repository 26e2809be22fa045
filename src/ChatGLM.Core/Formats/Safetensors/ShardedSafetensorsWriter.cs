using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace ChatGLM.Formats;

/// <summary>
/// Writes a model's weights into a folder as transformers' <c>save_pretrained</c> does: <c>model.safetensors</c>, or shards
/// <c>model-00001-of-0000N.safetensors</c> with an index. The folder changes from the old snapshot to the new one in a single step: no shard of the old
/// snapshot is touched before the rename that makes the new one valid.
/// </summary>
internal static partial class ShardedSafetensorsWriter
{
    public const string SingleName = "model.safetensors";
    public const string IndexName = "model.safetensors.index.json";

    /// <summary>Returns the names of the files written, the index last where there is one.</summary>
    public static IReadOnlyList<string> Write(string folder, IEnumerable<TensorSource> tensors, long maxShardBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxShardBytes, 1);
        Directory.CreateDirectory(folder);
        var shards = Split(tensors, maxShardBytes);
        var written = shards.Count == 1 ? WriteSingle(folder, shards[0]) : WriteShards(folder, shards);
        RemoveStale(folder, written);
        return written;
    }

    /// <summary>In the order given, as transformers fills its shards: a new one begins when the next tensor would not fit.</summary>
    public static List<List<TensorSource>> Split(IEnumerable<TensorSource> tensors, long maxShardBytes)
    {
        List<List<TensorSource>> shards = [[]];
        var names = new HashSet<string>(StringComparer.Ordinal);
        long bytes = 0;
        foreach (var tensor in tensors)
        {
            if (!names.Add(tensor.Name))
                throw new ArgumentException($"The tensor '{tensor.Name}' is given twice.", nameof(tensors));
            if (shards[^1].Count > 0 && bytes + tensor.LengthInBytes > maxShardBytes)
            {
                shards.Add([]);
                bytes = 0;
            }

            shards[^1].Add(tensor);
            bytes += tensor.LengthInBytes;
        }

        return shards;
    }

    private static IReadOnlyList<string> WriteSingle(string folder, List<TensorSource> tensors)
    {
        SafetensorsWriter.Write(Path.Combine(folder, SingleName), tensors);
        return [SingleName];
    }

    private static IReadOnlyList<string> WriteShards(string folder, List<List<TensorSource>> shards)
    {
        var names = NamesFor(folder, shards.Count);
        var finished = new List<string>();
        try
        {
            for (var i = 0; i < shards.Count; i++)
            {
                var path = Path.Combine(folder, names[i]);
                SafetensorsWriter.Write(path, shards[i]);
                finished.Add(path);
            }

            AtomicFile.Write(Path.Combine(folder, IndexName), stream => WriteIndex(stream, shards, names));
        }
        catch
        {
            // None of these names belongs to the old snapshot, so taking them away leaves it as it was.
            finished.ForEach(File.Delete);
            throw;
        }

        // Readers prefer a single file to an index, so an old one hides the new snapshot until this moment.
        File.Delete(Path.Combine(folder, SingleName));
        return [.. names, IndexName];
    }

    /// <summary>The usual names, unless the snapshot now in the folder uses one of them: then names that it does not use.</summary>
    private static string[] NamesFor(string folder, int count)
    {
        var inUse = InUse(folder);
        var names = UsualNames(count);
        for (var attempt = 2; names.Any(inUse.Contains); attempt++)
            names = [.. Enumerable.Range(1, count).Select(i => $"model-v{attempt}-{i:D5}-of-{count:D5}.safetensors")];
        return names;
    }

    /// <summary>The names that transformers gives shards.</summary>
    public static string[] UsualNames(int count) => [.. Enumerable.Range(1, count).Select(i => $"model-{i:D5}-of-{count:D5}.safetensors")];

    /// <summary>Whether a file of this name is what a run that was killed left behind.</summary>
    public static bool IsLeftover(string name) => name.EndsWith(AtomicFile.PartialSuffix, StringComparison.Ordinal) && OursPattern().IsMatch(name);

    private static HashSet<string> InUse(string folder)
    {
        var index = Path.Combine(folder, IndexName);
        if (!File.Exists(index))
            return new(StringComparer.OrdinalIgnoreCase);
        try
        {
            return new(ShardIndex.Read(index).Files, StringComparer.OrdinalIgnoreCase);
        }
        catch (ShardIndexException)
        {
            // A damaged index has no valid snapshot behind it that a rename could spoil.
            return new(StringComparer.OrdinalIgnoreCase);
        }
    }

    /// <summary>Writes the index that goes with shards of these names.</summary>
    public static void WriteIndex(Stream stream, List<List<TensorSource>> shards, string[] names)
    {
        var options = new JsonWriterOptions { Indented = true, IndentSize = 2, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var json = new Utf8JsonWriter(stream, options))
        {
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", shards.Sum(shard => shard.Sum(tensor => tensor.LengthInBytes)));
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            var map = shards.SelectMany((shard, i) => shard.Select(tensor => (tensor.Name, File: names[i])));
            foreach (var (name, file) in map.OrderBy(m => m.Name, StringComparer.Ordinal))
                json.WriteString(name, file);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        stream.Write("\n"u8);
    }

    /// <summary>Takes away what the new snapshot replaced, and what a run that was killed left behind. The new snapshot is already valid.</summary>
    private static void RemoveStale(string folder, IReadOnlyList<string> written)
    {
        var keep = written.ToHashSet(StringComparer.OrdinalIgnoreCase);
        if (!keep.Contains(IndexName))
            File.Delete(Path.Combine(folder, IndexName)); // before its shards
        foreach (var path in Directory.EnumerateFiles(folder))
        {
            var name = Path.GetFileName(path);
            if (!keep.Contains(name) && OursPattern().IsMatch(name))
                File.Delete(path);
        }
    }

    [GeneratedRegex(@"^model(-(v[0-9]+-)?[0-9]{5}-of-[0-9]{5})?\.safetensors(\.index\.json)?(\.[0-9a-f]{32}\.partial)?$", RegexOptions.CultureInvariant)]
    private static partial Regex OursPattern();
}
