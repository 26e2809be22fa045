using System.Text;

namespace ChatGLM.Fuzz.Targets;

/// <summary>Makes JSON objects whose fields have known names and values of every kind, edges of number types among them.</summary>
internal static class JsonFields
{
    public static byte[] Make(FuzzRandom random, IReadOnlyList<string> names, string always)
    {
        var text = new StringBuilder("{").Append(always);
        for (var count = random.Below(12); count > 0; count--)
            text.Append(text.Length > 1 ? "," : "").Append($"\"{random.Of(names)}\":{Value(random, depth: 0)}");
        return Encoding.UTF8.GetBytes(text.Append('}').ToString());
    }

    private static string Value(FuzzRandom random, int depth) => random.Below(depth > 3 ? 8 : 10) switch
    {
        0 => "null",
        1 => random.OneIn(2) ? "true" : "false",
        2 => random.Of(["\"\"", "\"float16\"", "\"never\"", "\"\\ud800\"", "\"true\"", "\"1\"", "\"../x\""]),
        3 => random.Of(["1e999", "-1e999", "1e-320", "0.5", "-0.0", "1.0", "0.999999999999999999"]),
        4 => "-" + random.Edge(),
        5 or 6 or 7 => random.Edge().ToString(System.Globalization.CultureInfo.InvariantCulture),
        8 => $"[{string.Join(",", Enumerable.Range(0, random.Below(4)).Select(_ => Value(random, depth + 1)))}]",
        _ => $"{{\"AutoModel\":{Value(random, depth + 1)}}}",
    };
}
