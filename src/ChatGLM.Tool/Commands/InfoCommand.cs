using System.CommandLine;
using ChatGLM.Hub;
using ChatGLM.Tool.Info;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;
using Spectre.Console;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm info</c>.</summary>
internal static class InfoCommand
{
    public static Command Create(ToolConsole console)
    {
        var name = new Argument<string>("model") { Description = "A snapshot folder, an adapter folder, a weight file, or a repo id, of which only the configuration and the tokenizer are downloaded." };
        name.CompletionSources.Add(_ => CachedModels.Names());
        var hub = new HubFlags();
        var command = new Command("info", "Show what a model is: configuration, parameters, weights, tokenizer, the memory it needs, its adapters. Loads nothing.") { name };
        hub.AddTo(command);
        var output = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            InfoReport report;
            using (var progress = output.Progress(parsed, console, isBrief: true))
                report = await DescribeAsync(parsed.GetValue(name)!, hub.Read(parsed), progress, cancellationToken);
            if (output.IsJson(parsed))
                console.Out.WriteLine(JsonLine.Indented(report.Json));
            else
                Write(console, report);
            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<InfoReport> DescribeAsync(string name, HubSettings hub, ToolProgress progress, CancellationToken cancellationToken)
    {
        string path;
        try
        {
            path = await SnapshotFinder.FindAsync(name, hub, SnapshotParts.Config | SnapshotParts.Tokenizer, progress, cancellationToken);
        }
        catch (HubFileNotFoundException) when (!hub.Options.LocalFilesOnly)
        {
            path = await SnapshotFinder.FindAsync(name, hub, SnapshotParts.Adapter, progress, cancellationToken); // no config.json: a repo of an adapter, if anything
        }

        if (AdapterInfo.IsAdapter(path))
            return AdapterInfo.Describe(name, path);
        if (path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase))
            return SnapshotInfo.Describe(name, path); // one file that holds configuration and tokenizer too
        return File.Exists(path) || (Directory.Exists(path) && !File.Exists(Path.Combine(path, "config.json")) && Directory.EnumerateFiles(path).Any(file => file.EndsWith(".bin", StringComparison.Ordinal) || file.EndsWith(".safetensors", StringComparison.Ordinal)))
            ? AdapterInfo.DescribeWeights(name, path)
            : SnapshotInfo.Describe(name, path);
    }

    private static void Write(ToolConsole console, InfoReport report)
    {
        var width = report.Sections.SelectMany(section => section.Rows).Max(row => row.Name.Length);
        foreach (var section in report.Sections)
        {
            console.Output.MarkupLineInterpolated($"[bold]{section.Title}[/]");
            foreach (var (row, value) in section.Rows)
                console.Output.MarkupLineInterpolated($"  [grey]{row.PadRight(width)}[/]  {value}");
        }
    }
}
