using System.Globalization;
using System.Text.Json.Nodes;
using ChatGLM.Formats;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Info;

/// <summary>What weight files hold, from their headers.</summary>
internal static class WeightFiles
{
    /// <summary>Describes a checkpoint that is open.</summary>
    public static (InfoSection Section, JsonObject Json) Describe(Checkpoint checkpoint)
    {
        var tensors = checkpoint.Entries.Values.ToList();
        var types = tensors.GroupBy(entry => entry.DType).Select(group => (Type: group.Key.ToString().ToLowerInvariant(), Elements: group.Sum(Elements), Bytes: group.Sum(entry => entry.LengthInBytes)))
            .OrderByDescending(type => type.Bytes).ToList();
        var bytes = tensors.Sum(entry => entry.LengthInBytes);
        var fileBytes = checkpoint.Files.Sum(file => new FileInfo(file).Length);
        var section = new InfoSection("weights",
        [
            ("format", checkpoint.Format switch { CheckpointFormat.Safetensors => "safetensors", CheckpointFormat.PyTorch => "PyTorch", var other => other.ToString().ToUpperInvariant() }),
            ("files", checkpoint.Files.Count == 1 ? $"{Path.GetFileName(checkpoint.Files[0])}, {Quantity.Bytes(fileBytes)}" : $"{checkpoint.Files.Count} files, {Quantity.Bytes(fileBytes)}"),
            ("tensors", string.Create(CultureInfo.InvariantCulture, $"{tensors.Count:N0}, {Quantity.Bytes(bytes)}")),
            ("types", string.Join(", ", types.Select(type => types.Count == 1 ? type.Type : $"{type.Type} {Quantity.Bytes(type.Bytes)}"))),
        ]);
        var json = new JsonObject
        {
            ["format"] = checkpoint.Format.ToString().ToLowerInvariant(),
            ["files"] = JsonLine.Array(checkpoint.Files, file => new JsonObject { ["name"] = Path.GetFileName(file), ["bytes"] = new FileInfo(file).Length }),
            ["tensors"] = tensors.Count,
            ["bytes"] = bytes,
            ["types"] = JsonLine.Array(types, type => new JsonObject { ["type"] = type.Type, ["elements"] = type.Elements, ["bytes"] = type.Bytes }),
        };
        return (section, json);
    }

    private static long Elements(CheckpointEntry entry) => entry.Shape.Aggregate(1L, (product, size) => product * size);
}
