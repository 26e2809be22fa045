using System.Text;
using ChatGLM.Formats;

namespace ChatGLM.Fuzz.Targets;

internal static class ShardIndexTarget
{
    public static IReadOnlyList<byte[]> Seeds { get; } =
    [
        """{"metadata": {"total_size": 8}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"""u8.ToArray(),
        """{"weight_map": {}}"""u8.ToArray(),
        "\uFEFF{\"weight_map\": {\"权重\": \"模型.bin\"}, \"more\": [1, {\"x\": null}]}\n"u8.ToArray(),
    ];

    public static void Read(byte[] bytes)
    {
        var index = ShardIndex.Parse(bytes, "fuzz");
        foreach (var file in index.WeightMap.Values)
        {
            // The promise of the index: whatever is joined stays in the folder.
            var joined = Path.GetFullPath(Path.Combine("/snapshot", file));
            if (Path.GetDirectoryName(joined) != Path.GetFullPath("/snapshot"))
                throw new InvalidOperationException($"'{file}' leads to {joined}.");
        }
    }

    public static byte[] Grammar(FuzzRandom random)
    {
        var map = new StringBuilder();
        for (var count = random.Below(6); count > 0; count--)
        {
            var file = random.Of(["model.bin", "a.safetensors", "../x", "..", "/etc/passwd", "C:\\\\x", "a/b", "", ".", "\\u0000", "\\ud83d", "x\\n", "\\u002e\\u002e\\u002f", "con:"]);
            map.Append(map.Length > 0 ? "," : "").Append($"\"t{random.Below(8)}\":").Append(random.OneIn(10) ? random.Of(["1", "null", "[]", "{}"]) : $"\"{file}\"");
        }

        var text = random.Below(6) switch
        {
            0 => $"{{\"weight_map\":{{{map}}},\"weight_map\":{{}}}}",
            1 => new string('[', random.Below(3000)),
            2 => $"{{\"metadata\":{new string('[', random.Below(200))}{map}",
            _ => $"{{\"metadata\":{{\"total_size\":{random.Edge()}}},\"weight_map\":{{{map}}}}}",
        };
        return Encoding.UTF8.GetBytes(text);
    }
}
