using System.CommandLine;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;
using ChatGLM.Tool.Generation;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm generate</c>.</summary>
internal static class GenerateCommand
{
    public static Command Create(ToolConsole console)
    {
        var prompt = new Argument<string?>("prompt") { Arity = ArgumentArity.ZeroOrOne, Description = "The text to continue. Without one, and without --input, the input is read: one text, or with --lines one a line." };
        var input = new Option<FileInfo>("--input", "-i") { HelpName = "file", Description = "Texts to continue, one a line; in a .jsonl file the field prompt of each object." };
        var lines = new Option<bool>("--lines") { Description = "Each line of the input is a text of its own." };
        var chat = new Option<bool>("--chat") { Description = "Ask each text as a question, instead of continuing it." };
        var batchSize = new Option<int>("--batch-size", "-b") { HelpName = "number", Description = "How many texts go through the model at a time.", DefaultValueFactory = _ => 1 };
        input.AcceptExistingOnly();
        batchSize.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && (!int.TryParse(token.Value, out var size) || size is < 1 or > 1024))
                result.AddError($"--batch-size: expected 1 to 1024, found '{token.Value}'.");
        });
        var command = new Command("generate", "Continue texts: one from the command line or the input, or a file of them. Without --json the output is the generated text and nothing else.")
        {
            prompt, input, lines, chat, batchSize,
        };
        var generation = new GenerationFlags().AddTo(command);
        var model = new ModelFlags().AddTo(command);
        var output = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = new GenerateSettings
            {
                AsChat = parsed.GetValue(chat),
                BatchSize = parsed.GetValue(batchSize),
                Configure = generation.Read(parsed),
                IsJson = output.IsJson(parsed),
            };
            var prompts = await PromptReader.ReadAsync(parsed.GetValue(prompt), parsed.GetValue(input)?.FullName, parsed.GetValue(lines), console, cancellationToken);
            var from = model.Read(parsed);
            OpenedModel opened;
            using (var progress = output.Progress(parsed, console, isBrief: true))
                opened = await OpenedModel.OpenAsync(from, progress, cancellationToken);
            using (opened)
            using (var progress = output.Progress(parsed, console))
                return await new GenerateRun(console, settings, opened, progress).RunAsync(prompts, cancellationToken);
        });
        return command;
    }
}
