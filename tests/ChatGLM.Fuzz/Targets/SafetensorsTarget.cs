using System.Text;
using ChatGLM.Formats;
using ChatGLM.Fuzz.Files;

namespace ChatGLM.Fuzz.Targets;

internal static class SafetensorsTarget
{
    public static IReadOnlyList<byte[]> Seeds { get; } =
    [
        SafetensorsFiles.Make("{}"),
        SafetensorsFiles.Make("""{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}   """, 32),
        SafetensorsFiles.Make("""{"__metadata__":{"format":"pt","说明":"值"},"scalar":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"empty":{"dtype":"U8","shape":[0,7],"data_offsets":[8,8]}}""", 8),
        SafetensorsFiles.Make("""{"b":{"shape":[1],"data_offsets":[4,8],"dtype":"F32","more":{"x":[1,{"y":null}]}},"a":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}}""", 8),
    ];

    public static void Read(byte[] bytes)
    {
        using var region = ByteRegion.Copy("fuzz", bytes);
        var file = SafetensorsFile.Open(region);
        foreach (var entry in file.Entries.Values)
            Touch.Ends(file.Bytes(entry));
    }

    /// <summary>A header of entries that mostly fit each other, with a lie here and there.</summary>
    public static byte[] Grammar(FuzzRandom random)
    {
        var header = new StringBuilder("{");
        long at = 0;
        for (var count = random.Below(6); count > 0; count--)
        {
            var (dtype, size) = random.Of([("F32", 4), ("F16", 2), ("I64", 8), ("U8", 1), ("BOOL", 1), ("F8_E4M3", 1), ("Q4", 1)]);
            var (rows, columns) = (random.Below(5), random.Below(5));
            var end = at + (rows * columns * size);
            var name = random.OneIn(8) ? random.Of(["__metadata__", "", "a", "\\ud800", "\\u0000", "a/../b"]) : "t" + random.Below(20);
            var shape = random.OneIn(10) ? $"[{random.Edge()},{random.Edge()}]" : random.OneIn(10) ? "[" + new string('[', random.Below(100)) : $"[{rows},{columns}]";
            var offsets = random.OneIn(10) ? $"[{random.Edge()},{random.Edge()}]" : $"[{at},{end}]";
            header.Append(header.Length > 1 ? "," : "").Append($"\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}");
            at = end;
        }

        if (!random.OneIn(10))
            header.Append('}');
        header.Append(' ', random.Below(9));
        return SafetensorsFiles.Make(header.ToString(), (int)at + (random.OneIn(10) ? random.Below(5) : 0));
    }
}
