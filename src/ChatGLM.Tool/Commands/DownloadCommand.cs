using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using ChatGLM.Hub;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm download</c>.</summary>
internal static class DownloadCommand
{
    private static readonly (string Name, SnapshotParts Parts)[] Parts =
    [
        ("model", SnapshotParts.Model), ("config", SnapshotParts.Config), ("tokenizer", SnapshotParts.Config | SnapshotParts.Tokenizer), ("weights", SnapshotParts.Config | SnapshotParts.Weights), ("adapter", SnapshotParts.Adapter),
    ];

    public static Command Create(ToolConsole console)
    {
        var repo = new Argument<string>("repo") { Description = "A repo id, such as THUDM/chatglm2-6b." };
        var parts = new Option<string>("--parts") { HelpName = "what", Description = "What to download: model (all that a chat needs), config, tokenizer, weights, or adapter.", DefaultValueFactory = _ => "model" };
        parts.AcceptOnlyFromAmong([.. Parts.Select(part => part.Name)]);
        var workers = new Option<int>("--workers") { HelpName = "number", Description = "How many files are downloaded at a time.", DefaultValueFactory = _ => 8 };
        workers.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && (!int.TryParse(token.Value, out var count) || count is < 1 or > 64))
                result.AddError($"--workers: expected 1 to 64, found '{token.Value}'.");
        });
        var hub = new HubFlags();
        var command = new Command("download", "Download a model into the cache that Python's huggingface_hub uses, and print its folder. What was begun before is continued; HF_TOKEN gives access to private repos.")
        {
            repo, parts, workers,
        };
        hub.AddTo(command);
        var output = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var from = hub.Read(parsed);
            var clock = Stopwatch.StartNew();
            var last = default(HubProgress);
            string folder;
            using (var progress = output.Progress(parsed, console))
            {
                var shown = progress.As<HubProgress>(at => SnapshotFinder.Report(last = at));
                using var client = new HubClient(from.Options with { Progress = shown, MaxWorkers = parsed.GetValue(workers) });
                folder = await client.SnapshotDownloadAsync(parsed.GetValue(repo)!, from.Revision, Parts.First(part => part.Name == parsed.GetValue(parts)).Parts, cancellationToken);
            }

            if (output.IsJson(parsed))
            {
                JsonLine.Write(console.Out, new JsonObject
                {
                    ["repo"] = parsed.GetValue(repo), ["folder"] = folder, ["files"] = last.TotalFiles, ["bytes"] = last.TotalBytes, ["seconds"] = Math.Round(clock.Elapsed.TotalSeconds, 2),
                });
            }
            else
            {
                console.Out.WriteLine(folder);
            }

            return ExitCode.Success;
        });
        return command;
    }
}
