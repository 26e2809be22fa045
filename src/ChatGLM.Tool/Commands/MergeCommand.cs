using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using ChatGLM.Models;
using ChatGLM.Tool.Merging;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm merge</c>.</summary>
internal static class MergeCommand
{
    public static Command Create(ToolConsole console)
    {
        var output = new Option<string>("--output", "-o") { HelpName = "folder", Description = "The folder of the new snapshot: a new one, or an empty one.", Required = true };
        var shardSize = new Option<string>("--max-shard-size") { HelpName = "size", Description = "The most bytes of a weight file, such as 2GB or 500MiB.", DefaultValueFactory = _ => "10GB" };
        shardSize.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && ByteSize.Parse(token.Value) is null)
                result.AddError($"--max-shard-size: expected a number of bytes such as 2GB or 500MiB, found '{token.Value}'.");
        });
        var command = new Command("merge", "Put adapters into the weights of their base, and save the result as a snapshot that needs no adapter. Several are added up.") { output, shardSize };
        var model = new ModelFlags().AddTo(command);
        var flags = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = model.Read(parsed);
            if (settings.Adapters.Count == 0)
                throw new UsageException("There is nothing to merge: name an adapter with --adapter.");
            if (settings.Quantize is not null || settings.QuantizationBit is not null)
                throw new UsageException("Quantized weights take no adapter. Merge first, then quantize what was saved: chatglm quantize.");
            var clock = Stopwatch.StartNew();
            MergeReport report;
            using (var progress = flags.Progress(parsed, console))
                report = await MergeRun.RunAsync(settings, parsed.GetValue(output)!, new SaveOptions { MaxShardSize = ByteSize.Parse(parsed.GetValue(shardSize)!)!.Value.ToString(CultureInfo.InvariantCulture) }, progress, cancellationToken);
            if (flags.IsJson(parsed))
            {
                JsonLine.Write(console.Out, new JsonObject
                {
                    ["folder"] = report.Folder, ["adapters"] = JsonLine.Array(report.Adapters, adapter => JsonValue.Create(adapter)), ["bytes"] = report.Bytes, ["seconds"] = Math.Round(clock.Elapsed.TotalSeconds, 3),
                });
                return ExitCode.Success;
            }

            foreach (var adapter in report.Adapters)
                console.Error.WriteLine($"Merged the {adapter}.");
            console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Saved {Quantity.Bytes(report.Bytes)} in {clock.Elapsed.TotalSeconds:F1} s."));
            console.Out.WriteLine(report.Folder);
            return ExitCode.Success;
        });
        return command;
    }
}
