using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ChatGLM.Chat;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Samples;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;
using Spectre.Console;

namespace ChatGLM.Tool.Chat;

/// <summary>
/// A conversation: reads questions, writes answers as they come. The output holds answers and nothing else; the prompt, notes and counts go to the error output, and only where somebody types.
/// </summary>
internal sealed class ChatLoop : IDisposable
{
    private readonly ToolConsole _console;
    private readonly ChatSettings _settings;
    private readonly OpenedModel _opened;
    private readonly ChatSession _session;
    private readonly GenerationConfig _generation;
    private readonly bool _isTyped;
    private string? _system;

    public ChatLoop(ToolConsole console, ChatSettings settings, OpenedModel opened)
    {
        (_console, _settings, _opened, _system) = (console, settings, opened, settings.System);
        _isTyped = settings.Prompt is null && !console.IsInputRedirected && !settings.IsJson;
        _session = opened.Model.StartChat(opened.Tokenizer);
        _generation = settings.Configure(opened.Model.ChatGenerationConfig);
        if (settings.History is { } file)
            _session.History.AddRange(ConversationFile.Read(file));
        else
            Begin();
    }

    /// <summary>Whether the model waits for a tool's result; the name of the tool.</summary>
    private string? AwaitedTool => _session.LastResult?.Response.ToolCall is { } call && _session.History is [.., { Role: ChatRole.Assistant } last] && last.Metadata.Length > 0 ? call.Name : null;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        if (_settings.Prompt is { } prompt)
        {
            await AnswerAsync(prompt == "-" ? (await ReadAllAsync(cancellationToken)).TrimEnd('\r', '\n') : prompt, cancellationToken);
            return ExitCode.Success;
        }

        if (_isTyped)
            Greet();
        while (await ReadQuestionAsync(cancellationToken) is { } question)
        {
            if (question.Trim() is "/exit" or "/quit")
                break;
            try
            {
                if (question.TrimStart().StartsWith('/'))
                    await ObeyAsync(question.Trim(), cancellationToken);
                else if (question.Trim().Length > 0)
                    await AnswerAsync(question, cancellationToken);
            }
            catch (ChatGLMException error) when (_isTyped)
            {
                Note(error.Message); // a question too long, a file that is not there: the conversation goes on
            }
        }

        return ExitCode.Success;
    }

    public void Dispose() => _session.Dispose();

    private void Begin()
    {
        if (_system is not null || _settings.Tools is not null)
            _session.History.AddSystem(_system ?? ChatText.ToolInstructions, _settings.Tools);
    }

    private void Greet()
    {
        var report = _opened.Model.LoadReport;
        var name = ModelSettings.Place(_opened.Name) == DemoSnapshot.Folder ? "the small demonstration model (--model names another)" : _opened.Name;
        Note($"Loaded {name}{(report is null ? "" : $": {Quantity.Bytes(report.Bytes)} in {report.Seconds.ToString("F1", CultureInfo.InvariantCulture)} s")}. /help lists the commands.");
        foreach (var adapter in _opened.Adapters)
            Note($"With the {adapter}.");
    }

    private void Note(string text)
    {
        if (_console.IsErrorRedirected)
            _console.Error.WriteLine(text);
        else
            _console.Messages.Write(new Paragraph(text + "\n", new Style(Color.Grey)));
    }

    /// <summary>The thread that reads is left behind when the chat ends at the prompt: nothing can call it back from the terminal.</summary>
    private Task<string?> ReadLineAsync(CancellationToken cancellationToken) => Task.Run(_console.In.ReadLine, CancellationToken.None).WaitAsync(cancellationToken);

    private Task<string> ReadAllAsync(CancellationToken cancellationToken) => Task.Run(_console.In.ReadToEnd, CancellationToken.None).WaitAsync(cancellationToken);

    private async Task<string?> ReadQuestionAsync(CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        for (var isFirst = true; ; isFirst = false)
        {
            if (_isTyped)
                _console.Messages.Markup(isFirst ? AwaitedTool is { } tool ? $"[yellow]{tool.EscapeMarkup()} >[/] " : "[green]>[/] " : "[green]…[/] ");
            if (await ReadLineAsync(cancellationToken) is not { } line)
            {
                if (_isTyped)
                    _console.Error.WriteLine();
                return isFirst ? null : text.ToString();
            }

            if (!line.EndsWith('\\'))
                return text.Append(line).ToString();
            text.Append(line.AsSpan(0, line.Length - 1)).Append('\n');
        }
    }

    private async Task ObeyAsync(string command, CancellationToken cancellationToken)
    {
        var space = command.IndexOf(' ', StringComparison.Ordinal);
        var (word, rest) = space < 0 ? (command, "") : (command[..space], command[(space + 1)..].Trim());
        switch (word)
        {
            case "/help":
                foreach (var (name, meaning) in ChatText.Help)
                    Note($"  {name,-13} {meaning}");
                break;
            case "/history":
                ShowHistory();
                break;
            case "/clear":
                _session.Clear();
                Begin();
                Note("The conversation is forgotten.");
                break;
            case "/undo":
                Note(TakeBack() is { } question ? $"Taken back: {Shorten(question.Content)}" : "There is nothing to take back.");
                break;
            case "/retry":
                if (TakeBack() is { } again)
                    await AnswerAsync(again.Content, cancellationToken, again.Role);
                else
                    Note("There is no question yet.");
                break;
            case "/system":
                _system = rest.Length > 0 ? rest : null;
                _session.Clear();
                Begin();
                Note(_system is null ? "No instructions. The conversation begins anew." : "The conversation begins anew with these instructions.");
                break;
            case "/save" when rest.Length > 0:
                ConversationFile.Write(rest, _session.History);
                Note($"Saved {_session.History.Count} messages in {rest}.");
                break;
            case "/load" when rest.Length > 0:
                var messages = ConversationFile.Read(rest);
                _session.Clear();
                _session.History.AddRange(messages);
                Note($"Going on with {messages.Count} messages.");
                break;
            case "/save" or "/load":
                Note($"{word} needs a file: {word} chat.json");
                break;
            default:
                Note($"There is no command {word}. /help lists them; a question that begins with / has a space before it.");
                break;
        }
    }

    private void ShowHistory()
    {
        foreach (var message in _session.History)
            Note($"{message.Role.ToString().ToLowerInvariant()}{(message.Metadata.Length > 0 ? $" ({message.Metadata})" : "")}: {message.Content}");
        if (_session.History.Count == 0)
            Note("Nothing has been said yet.");
    }

    /// <summary>Takes the last question and all that followed out of the history.</summary>
    /// <returns>The question; null if there was none.</returns>
    private ChatMessage? TakeBack()
    {
        var messages = _session.History.ToList();
        var at = messages.FindLastIndex(message => message.Role == ChatRole.User);
        if (at < 0)
            return null;
        _session.History.Clear();
        _session.History.AddRange(messages.Take(at));
        return messages[at];
    }

    private async Task AnswerAsync(string question, CancellationToken cancellationToken, ChatRole? role = null)
    {
        using var answering = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // Where nobody types, Ctrl+C ends the run and not one answer of many.
        using var intercepted = _isTyped ? _console.Interruption.Intercept(answering.Cancel) : null;
        var options = new ChatOptions { Generation = _generation, GuardInvalidScores = true, Processors = _settings.Processors, Role = role ?? (AwaitedTool is null ? ChatRole.User : ChatRole.Observation) };
        var clock = Stopwatch.StartNew();
        TimeSpan? first = null;
        try
        {
            await foreach (var piece in _session.StreamChatAsync(question, options, answering.Token))
            {
                first ??= clock.Elapsed;
                if (!_settings.IsJson)
                    await _console.Out.WriteAsync(piece);
            }
        }
        catch (OperationCanceledException) when (_isTyped && !cancellationToken.IsCancellationRequested)
        {
            await _console.Out.WriteLineAsync();
            Note("Stopped. The question is not kept; /history shows what is.");
            return;
        }
        catch (OperationCanceledException) when (!_settings.IsJson)
        {
            await _console.Out.WriteLineAsync(); // what was written stays a line
            throw;
        }

        var result = _session.LastResult!;
        if (_settings.IsJson)
        {
            WriteJson(question, result, first, clock.Elapsed);
            return;
        }

        if (first is null)
            await _console.Out.WriteAsync(result.Content); // a search with beams has no words before it has all
        await _console.Out.WriteLineAsync();
        if (_isTyped)
            Report(result, first, clock.Elapsed);
    }

    private void Report(ChatResult result, TimeSpan? first, TimeSpan total)
    {
        if (result.Response.ToolCall is { } call)
            Note($"The model calls {call.Name}({call.Arguments.GetRawText()}). Type what it gives back.");
        // The rate is that of the tokens after the first text: reading the prompt is a time of its own.
        var seconds = (total - (first ?? TimeSpan.Zero)).TotalSeconds;
        var start = first is { } time ? $"first text after {Seconds(time)} s" : "no text";
        Note(string.Create(CultureInfo.InvariantCulture,
            $"{result.PromptTokens} prompt tokens ({result.CachedTokens} cached), {start}; {result.CompletionTokens} tokens, {result.CompletionTokens / Math.Max(seconds, 1e-3):F1} tokens/s{Ending(result.FinishReason)}"));
    }

    private void WriteJson(string question, ChatResult result, TimeSpan? first, TimeSpan total) => JsonLine.Write(_console.Out, new JsonObject
    {
        ["question"] = question,
        ["answer"] = result.Content,
        ["tool_call"] = result.Response.ToolCall is { } call ? new JsonObject { ["name"] = call.Name, ["arguments"] = JsonNode.Parse(call.Arguments.GetRawText()) } : null,
        ["finish_reason"] = FinishText.Of(result.FinishReason),
        ["prompt_tokens"] = result.PromptTokens,
        ["cached_tokens"] = result.CachedTokens,
        ["completion_tokens"] = result.CompletionTokens,
        ["seconds_to_first_text"] = first is { } time ? Math.Round(time.TotalSeconds, 4) : null,
        ["seconds"] = Math.Round(total.TotalSeconds, 4),
    });

    private static string Ending(FinishReason reason) => reason == FinishReason.Length ? "; cut at the greatest length" : "";

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("F2", CultureInfo.InvariantCulture);

    private static string Shorten(string text) => text.Length <= 60 ? text : text[..60] + "…";
}
