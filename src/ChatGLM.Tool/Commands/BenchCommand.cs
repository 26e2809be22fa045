using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using ChatGLM.Tool.Measuring;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm bench</c>.</summary>
internal static class BenchCommand
{
    public static Command Create(ToolConsole console)
    {
        var prompts = new Option<int[]>("--prompt-tokens", "-p") { HelpName = "number", Description = "Measure a prompt of so many tokens. May be given several times. Default: 512, or less if the model takes less.", AllowMultipleArgumentsPerToken = true };
        var newTokens = new Option<int>("--new-tokens", "-n") { HelpName = "number", Description = "Measure so many tokens, one by one; 0 for none.", DefaultValueFactory = _ => 32 };
        var repetitions = new Option<int>("--repetitions", "-r") { HelpName = "number", Description = "How often each is measured.", DefaultValueFactory = _ => 3 };
        foreach (var (option, least) in new (Option, int)[] { (prompts, 4), (newTokens, 0), (repetitions, 1) })
        {
            option.Validators.Add(result =>
            {
                if (result.Tokens.FirstOrDefault(token => !int.TryParse(token.Value, out var value) || value < least) is { } wrong)
                    result.AddError($"{option.Name}: expected a number of at least {least}, found '{wrong.Value}'.");
            });
        }

        var command = new Command("bench", "Measure a model on this machine: tokens a second of prompts (pp) and of decoding (tg), loading, memory, beside the read bandwidth measured in the same run.") { prompts, newTokens, repetitions };
        var model = new ModelFlags().AddTo(command);
        var output = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var lengths = parsed.GetValue(prompts) is { Length: > 0 } given ? given.Distinct().ToArray() : [512];
            BenchReport report;
            using (var progress = output.Progress(parsed, console))
                report = await new BenchRun(model.Read(parsed), new BenchSettings(lengths, parsed.GetValue(newTokens), parsed.GetValue(repetitions)), progress).RunAsync(cancellationToken);
            if (output.IsJson(parsed))
                console.Out.WriteLine(JsonLine.Indented(Json(report)));
            else
                Write(console, report);
            return ExitCode.Success;
        });
        return command;
    }

    private static void Write(ToolConsole console, BenchReport report)
    {
        var rows = new List<string[]> { new[] { "model", "weights", "size", "params", "test", "tokens/s", "ceiling" } };
        rows.AddRange(report.Rows.Select(row => new[]
        {
            report.Model, report.Format, Quantity.Bytes(report.WeightBytes), Quantity.Count(report.Parameters), row.Test,
            $"{Rate(row.Mean)} ± {Rate(row.Deviation)}", row.Ceiling is { } ceiling ? Invariant($"{Rate(ceiling)} ({row.Best / ceiling:P0})") : "-",
        }));
        // A table of Markdown, as llama-bench writes it: read on a terminal, and pasted into an issue.
        var widths = Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => DisplayWidth.Of(row[column]))).ToArray();
        rows.Insert(1, [.. widths.Select((width, column) => IsNumber(column) ? new string('-', width - 1) + ":" : new string('-', width))]);
        foreach (var row in rows)
            console.Out.WriteLine($"| {string.Join(" | ", row.Select((cell, column) => IsNumber(column) ? DisplayWidth.PadLeft(cell, widths[column]) : DisplayWidth.PadRight(cell, widths[column])))} |");
        console.Out.WriteLine();
        console.Out.WriteLine(Invariant($"ceiling: what a read bandwidth of {report.ReadBytesPerSecond / 1e9:F1} GB/s allows, measured in the same run"));
        console.Out.WriteLine(Invariant($"{report.Threads} threads; loaded in {report.LoadSeconds:F2} s; at most {Quantity.Bytes(report.PeakMemoryBytes)} of memory"));
    }

    private static string Rate(double tokensPerSecond) => tokensPerSecond.ToString(tokensPerSecond < 100 ? "F2" : "F1", CultureInfo.InvariantCulture);

    private static bool IsNumber(int column) => column >= 5;

    private static JsonObject Json(BenchReport report) => new()
    {
        ["model"] = report.Model,
        ["weights"] = report.Format,
        ["parameters"] = report.Parameters,
        ["weight_bytes"] = report.WeightBytes,
        ["bytes_per_token"] = report.BytesPerToken,
        ["threads"] = report.Threads,
        ["load_seconds"] = Math.Round(report.LoadSeconds, 4),
        ["peak_memory_bytes"] = report.PeakMemoryBytes,
        ["read_bytes_per_second"] = Math.Round(report.ReadBytesPerSecond),
        ["tests"] = JsonLine.Array(report.Rows, row => new JsonObject
        {
            ["test"] = row.Test,
            ["tokens"] = row.Tokens,
            ["tokens_per_second"] = Math.Round(row.Mean, 3),
            ["standard_deviation"] = Math.Round(row.Deviation, 3),
            ["best"] = Math.Round(row.Best, 3),
            ["ceiling"] = row.Ceiling is { } ceiling ? Math.Round(ceiling, 3) : null,
            ["repetitions"] = JsonLine.Array(row.Rates, rate => JsonValue.Create(Math.Round(rate, 3))),
        }),
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
