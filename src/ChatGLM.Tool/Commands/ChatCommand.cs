using System.CommandLine;
using ChatGLM.Tool.Chat;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm chat</c>.</summary>
internal static class ChatCommand
{
    public static Command Create(ToolConsole console)
    {
        var prompt = new Option<string?>("--prompt", "-p") { HelpName = "text", Description = "Answer this one question and end; - reads it from the input." };
        var system = new Option<string?>("--system", "-s") { HelpName = "text", Description = "Instructions before the chat (ChatGLM3)." };
        var tools = new Option<FileInfo>("--tools") { HelpName = "file", Description = "Tools that the model may call, a JSON array of descriptions (ChatGLM3). A call is shown, and its result asked for." };
        var history = new Option<FileInfo>("--history") { HelpName = "file", Description = "Go on with a conversation that /save wrote." };
        tools.AcceptExistingOnly();
        history.AcceptExistingOnly();
        var command = new Command("chat", $"Chat with a model. Reads questions from a terminal, or one a line from a pipe. {ChatText.Commands} Ctrl+C stops an answer; at the prompt it ends the chat.")
        {
            prompt, system, tools, history,
        };
        var generation = new GenerationFlags().AddTo(command);
        var model = new ModelFlags().AddTo(command);
        var output = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = new ChatSettings
            {
                Prompt = parsed.GetValue(prompt),
                System = parsed.GetValue(system),
                Tools = parsed.GetValue(tools) is { } file ? ToolsFile.Read(file.FullName) : null,
                History = parsed.GetValue(history)?.FullName,
                Configure = generation.Read(parsed),
                IsJson = output.IsJson(parsed),
            };
            var from = model.Read(parsed);
            OpenedModel opened;
            using (var progress = output.Progress(parsed, console, isBrief: true))
                opened = await OpenedModel.OpenAsync(from, progress, cancellationToken);
            using (opened)
            using (var chat = new ChatLoop(console, settings, opened))
                return await chat.RunAsync(cancellationToken);
        });
        return command;
    }
}
