using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using ChatGLM.Tool.Evaluating;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm evaluate</c>.</summary>
internal static class EvaluateCommand
{
    public static Command Create(ToolConsole console)
    {
        var defaults = new EvaluateSettings { Configure = config => config };
        var data = new Option<FileInfo>("--data", "-d") { HelpName = "file", Description = "Questions and answers (JSON, JSON lines or CSV): the model answers, and ROUGE and BLEU compare." };
        var text = new Option<FileInfo>("--text") { HelpName = "file", Description = "A text, UTF-8: the perplexity of the model over it." };
        data.AcceptExistingOnly();
        text.AcceptExistingOnly();
        var prompt = new Option<string?>("--prompt-column") { HelpName = "name", Description = "The column of questions. Default: known by the names of the columns." };
        var response = new Option<string?>("--response-column") { HelpName = "name", Description = "The column of answers." };
        var history = new Option<string?>("--history-column") { HelpName = "name", Description = "The column of the rounds before." };
        var prefix = new Option<string?>("--source-prefix") { HelpName = "text", Description = "Put before every question." };
        var samples = Number("--max-samples", "Use only so many questions.", null);
        var source = Number("--max-source-length", "The most tokens of a question.", defaults.MaxSourceLength);
        var target = Number("--max-target-length", "The most tokens of an answer.", defaults.MaxTargetLength);
        var batch = Number("--batch-size", "How many questions go through the model at a time.", defaults.BatchSize);
        var window = Number("--window", "How many tokens of a text the model sees at a time.", defaults.Window);
        var stride = Number("--stride", "How far the window moves.", defaults.Stride);
        var jieba = new Option<FileInfo>("--jieba-dict") { HelpName = "file", Description = "A dictionary in jieba's form for the words of ROUGE. Default: the small one of this library." };
        jieba.AcceptExistingOnly();
        var output = new Option<string?>("--output", "-o") { HelpName = "file", Description = "Write the answers, a line {\"labels\", \"predict\"} each, as THUDM's script does." };
        var command = new Command("evaluate", "Measure a model, with adapters if given: ROUGE and BLEU of its answers to a data file, perplexity over a text. As THUDM's script it samples (top-p 0.7, temperature 0.95) unless --greedy.")
        {
            data, text, prompt, response, history, prefix, samples, source, target, batch, window, stride, jieba, output,
        };
        var generation = new GenerationFlags().AddTo(command, stop: false);
        var model = new ModelFlags().AddTo(command);
        var flags = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = new EvaluateSettings
            {
                DataFile = parsed.GetValue(data)?.FullName,
                TextFile = parsed.GetValue(text)?.FullName,
                PromptColumn = parsed.GetValue(prompt),
                ResponseColumn = parsed.GetValue(response),
                HistoryColumn = parsed.GetValue(history),
                SourcePrefix = parsed.GetValue(prefix) ?? "",
                MaxSamples = parsed.GetValue(samples),
                MaxSourceLength = parsed.GetValue(source) ?? defaults.MaxSourceLength,
                MaxTargetLength = parsed.GetValue(target) ?? defaults.MaxTargetLength,
                BatchSize = parsed.GetValue(batch) ?? defaults.BatchSize,
                Window = parsed.GetValue(window) ?? defaults.Window,
                Stride = parsed.GetValue(stride) ?? defaults.Stride,
                JiebaDictionary = parsed.GetValue(jieba)?.FullName,
                PredictionsFile = parsed.GetValue(output),
                Configure = generation.Read(parsed),
            };
            if (settings is { DataFile: null, TextFile: null })
                throw new UsageException("There is nothing to evaluate on: give --data, --text, or both.");
            var from = model.Read(parsed);
            var clock = Stopwatch.StartNew();
            var rows = new List<(string Name, double Value, int Of, string Unit)>();
            using (var progress = flags.Progress(parsed, console))
            {
                using var opened = await OpenedModel.OpenAsync(from, progress, cancellationToken);
                if (settings.DataFile is { } file)
                {
                    var (scores, count) = await Task.Run(() => new AnswerEvaluation(settings, opened, progress).Run(file, cancellationToken), cancellationToken);
                    rows.AddRange(scores.Select(score => (score.Key, score.Value, count, "answers")));
                }

                if (settings.TextFile is { } path)
                {
                    var words = await File.ReadAllTextAsync(path, cancellationToken);
                    var (value, tokens) = await Task.Run(() => new Perplexity(opened, settings.Window, settings.Stride, progress).Of(words, cancellationToken), cancellationToken);
                    rows.Add(("perplexity", value, tokens, "tokens"));
                }
            }

            if (flags.IsJson(parsed))
            {
                var json = new JsonObject();
                foreach (var (name, value, of, unit) in rows)
                    (json[name], json[unit]) = (value, of);
                json["seconds"] = Math.Round(clock.Elapsed.TotalSeconds, 3);
                JsonLine.Write(console.Out, json);
                return ExitCode.Success;
            }

            var width = rows.Max(row => row.Name.Length);
            foreach (var (name, value, of, unit) in rows)
                console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name.PadRight(width)}  {value,10:F4}  ({of:N0} {unit})"));
            return ExitCode.Success;
        });
        return command;
    }

    private static Option<int?> Number(string name, string description, int? standard)
    {
        var option = new Option<int?>(name) { HelpName = "number", Description = standard is null ? description : string.Create(CultureInfo.InvariantCulture, $"{description} Default: {standard}.") };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && (!int.TryParse(token.Value, out var value) || value < 1))
                result.AddError($"{name}: expected 1 or more, found '{token.Value}'.");
        });
        return option;
    }
}
