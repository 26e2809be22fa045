using System.CommandLine;
using System.CommandLine.Invocation;
using ChatGLM.Samples;
using ChatGLM.Samples.AlpacaLora;
using ChatGLM.Samples.LoraTrainer;
using ChatGLM.Samples.PTuning;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;
using ChatGLM.Tool.Training;
using ChatGLM.Training;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm train</c>: the trainers of the samples, with the flags of their Python originals.</summary>
internal static class TrainCommand
{
    private static readonly string[] ModelFlags = ["--model_name_or_path", "--MODEL_NAME"];

    public static Command Create(ToolConsole console)
    {
        var train = new Command("train", "Fine-tune a model. The first Ctrl+C ends the step and saves a checkpoint; --resume_from_checkpoint true goes on from it.");
        var json = new Option<bool>("--json") { Description = "For programs: the metrics as JSON on the output, all else on the error output.", Recursive = true };
        train.Add(json);
        // One report for a run: it is made with the command line, and a command line is used once.
        var report = new TrainReport(console);
        var isJson = false;

        var ptuning = new Command("ptuning", PTuningCommand.Description);
        var lora = new Command("lora", LoraCommand.Description);
        var alpaca = new Command("alpaca", AlpacaCommand.Description);
        PTuningCommand.AddTo(ptuning, Customize);
        LoraCommand.AddTo(lora, console.Environment, Customize);
        AlpacaCommand.AddTo(alpaca, Customize);
        foreach (var command in new[] { ptuning, lora, alpaca })
        {
            foreach (var each in command.Subcommands.Prepend(command))
                each.Action = new Reporting(console, json, (AsynchronousCommandLineAction)each.Action!, report, flag => isJson = flag);
            train.Add(command);
        }

        return train;

        TrainerOptions Customize(TrainerOptions options) => options with { Callbacks = [.. options.Callbacks, .. isJson ? [report, Silent()] : new TrainerCallback[] { new ProgressCallback(console.Messages) }] };
    }

    /// <summary>A command line as the trainers take it: as in their Python originals dashes and underscores are the same, and a JSON file can stand for all flags.</summary>
    /// <param name="args">The words of the command line.</param>
    public static IReadOnlyList<string> Words(IReadOnlyList<string> args)
    {
        if (args is not ["train", var trainer, ..])
            return args;
        IReadOnlyList<string> rest = [.. args.Skip(2)];
        rest = trainer switch
        {
            "ptuning" when rest.Count > 0 => PTuningCommand.Words(rest),
            "alpaca" => ArgumentFile.Normalize(ArgumentFile.Expand(rest)),
            _ => rest,
        };
        var words = rest.ToArray();
        for (var i = 0; i < words.Length; i++)
        {
            if (i > 0 && words[i] == ModelSettings.DemoName && ModelFlags.Contains(words[i - 1]))
                words[i] = DemoSnapshot.Folder;
            else if (ModelFlags.FirstOrDefault(flag => words[i] == $"{flag}={ModelSettings.DemoName}") is { } flag)
                words[i] = $"{flag}={DemoSnapshot.Folder}";
        }

        return [args[0], trainer, .. words];
    }

    /// <summary>A progress callback that nobody sees keeps the trainer from adding its own.</summary>
    private static PrinterCallback Silent() => new(TextWriter.Null);

    /// <summary>Runs a trainer; for a program that reads, its report goes to the error output and the metrics follow on the output.</summary>
    private sealed class Reporting(ToolConsole console, Option<bool> json, AsynchronousCommandLineAction trainer, TrainReport report, Action<bool> setJson) : AsynchronousCommandLineAction
    {
        public override async Task<int> InvokeAsync(ParseResult parseResult, CancellationToken cancellationToken = default)
        {
            var isJson = parseResult.GetValue(json);
            setJson(isJson);
            if (isJson)
                parseResult.InvocationConfiguration.Output = console.Error;
            else if (!console.IsOutputRedirected && !console.IsErrorRedirected)
                parseResult.InvocationConfiguration.Output = new LinesAboveBars(console.Messages);
            var code = await trainer.InvokeAsync(parseResult, cancellationToken);
            if (isJson)
                JsonLine.Write(console.Out, report.Json);
            return code;
        }
    }
}
