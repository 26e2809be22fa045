using System.Globalization;
using System.Text.Json;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>Prints rows as a table, and writes them as JSON.</summary>
internal static class ResultTable
{
    public static void Print(IReadOnlyList<ResultRow> rows, TextWriter output)
    {
        output.WriteLine("| name | value | unit | ceiling | ratio |");
        output.WriteLine("| --- | ---: | --- | --- | ---: |");
        foreach (var row in rows)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {row.Name} | {row.Value:F2} | {row.Unit} | {row.Ceiling ?? "-"} | {(row.Ratio is { } ratio ? ratio.ToString("P0", CultureInfo.InvariantCulture) : "-")} |"));
    }

    public static void WriteJson(IReadOnlyList<ResultRow> rows, FileInfo file)
    {
        using var stream = file.Create();
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartArray();
        foreach (var row in rows)
        {
            json.WriteStartObject();
            json.WriteString("name", row.Name);
            json.WriteNumber("value", row.Value);
            json.WriteString("unit", row.Unit);
            json.WriteString("ceiling", row.Ceiling);
            if (row.Ratio is { } ratio)
                json.WriteNumber("ratio", ratio);
            else
                json.WriteNull("ratio");
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
