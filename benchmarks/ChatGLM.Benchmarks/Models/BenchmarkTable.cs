using System.Globalization;
using System.Text.Json;

namespace ChatGLM.Benchmarks.Models;

/// <summary>Prints rows as they come, and writes them as JSON.</summary>
internal sealed class BenchmarkTable(TextWriter output)
{
    private readonly List<BenchmarkRow> _rows = [];

    public void Begin(string title)
    {
        output.WriteLine(title);
        output.WriteLine();
        output.WriteLine("| name | value | unit | ceiling | ratio |");
        output.WriteLine("| --- | ---: | --- | ---: | ---: |");
    }

    public void Add(BenchmarkRow row)
    {
        _rows.Add(row);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {row.Name} | {row.Value:F2} | {row.Unit} | {row.Ceiling?.ToString("F2", CultureInfo.InvariantCulture) ?? "-"} | {row.Ratio?.ToString("P0", CultureInfo.InvariantCulture) ?? "-"} |"));
        output.Flush();
    }

    public void WriteJson(FileInfo file)
    {
        using var stream = file.Create();
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartArray();
        foreach (var row in _rows)
        {
            json.WriteStartObject();
            json.WriteString("name", row.Name);
            json.WriteNumber("value", row.Value);
            json.WriteString("unit", row.Unit);
            WriteOptional(json, "ceiling", row.Ceiling);
            WriteOptional(json, "ratio", row.Ratio);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteOptional(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }
}
