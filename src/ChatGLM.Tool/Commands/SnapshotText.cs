using System.Globalization;
using System.Text.Json.Nodes;
using ChatGLM.Snapshots;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary>What is said of a snapshot that was written.</summary>
internal static class SnapshotText
{
    public static void Write(ToolConsole console, bool isJson, SnapshotReport report, string verb)
    {
        if (isJson)
        {
            JsonLine.Write(console.Out, new JsonObject
            {
                ["folder"] = report.Folder,
                ["weight_files"] = JsonLine.Array(report.WeightFiles, file => JsonValue.Create(file)),
                ["other_files"] = JsonLine.Array(report.OtherFiles, file => JsonValue.Create(file)),
                ["left_out"] = JsonLine.Array(report.LeftOut, tensor => JsonValue.Create(tensor)),
                ["source_bytes"] = report.SourceBytes,
                ["written_bytes"] = report.WrittenBytes,
                ["seconds"] = Math.Round(report.Seconds, 3),
            });
            return;
        }

        console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{verb} {Quantity.Bytes(report.SourceBytes)} of weights into {Quantity.Bytes(report.WrittenBytes)} in {report.Seconds:F1} s{(report.WeightFiles.Count > 1 ? $", {report.WeightFiles.Count(file => file.EndsWith(".safetensors", StringComparison.Ordinal))} files" : "")}."));
        if (report.LeftOut.Count > 0)
            console.Error.WriteLine($"Left out, as no parameter of the model: {string.Join(", ", report.LeftOut.Take(8))}{(report.LeftOut.Count > 8 ? $" and {report.LeftOut.Count - 8} more" : "")}.");
        console.Out.WriteLine(report.Folder);
    }
}
