using System.Text;
using ChatGLM.Chat;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using GlmMessage = ChatGLM.Chat.ChatMessage;
using GlmRole = ChatGLM.Chat.ChatRole;

namespace ChatGLM.Extensions.AI;

/// <summary>
/// Takes an answer apart while it is written. ChatGLM-6B and 2 write text. ChatGLM3 writes, once it has tools, parts of a line and a text: the line names a tool to call, and the text holds the
/// call, or the line is blank and the text is for the person. Text is handed on as it comes, a call when it is whole.
/// </summary>
internal sealed class AnswerReader(ChatGLMGeneration generation, ToolList? tools, IReadOnlyList<string> stops)
{
    private const string PartSeparator = "<|assistant|>";

    private readonly StopSequenceFilter _stops = new(stops);
    private readonly StringBuilder _line = new();
    private readonly StringBuilder _code = new();
    private readonly StringBuilder _said = new();
    private readonly List<GlmMessage> _messages = [];
    private readonly List<AIContent> _output = [];
    private StreamingResponseText _text = new(generation);
    private string _held = "";
    private string? _tool;
    private bool _isInLine = tools is not null;
    private bool _hasText;

    /// <summary>Whether the answer calls a tool.</summary>
    public bool CallsTool { get; private set; }

    /// <summary>Why a call could not be read, and whose it is; null if there was none such.</summary>
    public (string Tool, ToolCallException Error)? BadCall { get; private set; }

    /// <summary>The messages that the answer adds to the history.</summary>
    public IReadOnlyList<GlmMessage> Messages => _messages;

    /// <summary>Takes the next text in.</summary>
    /// <returns>What is certain by now, for the caller to keep; null for nothing.</returns>
    public IList<AIContent>? Append(string piece)
    {
        Read(_stops.Append(piece));
        return TakeOutput();
    }

    /// <summary>Ends the answer.</summary>
    /// <returns>The rest; null for nothing.</returns>
    public IList<AIContent>? Finish()
    {
        Read(_stops.Flush());
        ReadPart(_held);
        EndPart();
        return TakeOutput();
    }

    private void Read(string text)
    {
        if (text.Length == 0)
            return;
        if (generation != ChatGLMGeneration.ChatGLM3)
        {
            ReadPart(text);
            return;
        }

        text = _held + text;
        while (text.IndexOf(PartSeparator, StringComparison.Ordinal) is >= 0 and var at)
        {
            ReadPart(text[..at]);
            EndPart();
            text = text[(at + PartSeparator.Length)..];
        }

        var held = StopSequenceFilter.BeginningLength(text, PartSeparator);
        _held = text[^held..];
        ReadPart(text[..^held]);
    }

    private void ReadPart(string text)
    {
        if (_isInLine)
        {
            var end = text.IndexOf('\n', StringComparison.Ordinal);
            _line.Append(end < 0 ? text : text[..end]);
            if (end < 0)
                return;
            text = text[(end + 1)..];
            _isInLine = false;
            _tool = _line.ToString().Trim() is { Length: > 0 } name ? name : null;
        }

        if (_tool is null)
            Say(_text.Append(text));
        else
            _code.Append(text);
    }

    private void EndPart()
    {
        if (_tool is null || !ReadCall(_tool, _code.ToString()))
        {
            if (_isInLine)
                Say(_text.Append(_line.ToString())); // there was no line of its own
            else if (_tool is not null)
                Say(_text.Append($"{_line}\n{_code}"));
            Say(_text.Flush());
            _messages.Add(new GlmMessage(GlmRole.Assistant, _said.ToString()));
        }

        _line.Clear();
        _code.Clear();
        _said.Clear();
        (_tool, _isInLine, _text) = (null, tools is not null, new StreamingResponseText(generation));
    }

    private bool ReadCall(string name, string code)
    {
        var raw = new GlmMessage(GlmRole.Assistant, code) { Metadata = name };
        FunctionCallContent content;
        try
        {
            var parser = new StreamingToolCallParser(name);
            parser.Append(code);
            var arguments = parser.Finish().Arguments.EnumerateObject().ToDictionary(p => p.Name, p => (object?)p.Value, StringComparer.Ordinal);
            content = new FunctionCallContent(NewId(), name, arguments) { RawRepresentation = raw };
        }
        catch (ToolCallException error)
        {
            // A first line that is no tool's name, and no call after it: text of several lines.
            if (!tools!.Names.Contains(name))
                return false;
            BadCall = (name, error);
            content = new FunctionCallContent(NewId(), name) { RawRepresentation = raw, Exception = error };
        }

        CallsTool = true;
        _messages.Add(raw);
        _output.Add(content);
        return true;
    }

    private void Say(string text)
    {
        if (text.Length == 0)
            return;
        // Parts of an answer do not run into each other.
        if (_hasText && _said.Length == 0)
            _output.Add(new TextContent("\n"));
        _hasText = true;
        _said.Append(text);
        _output.Add(new TextContent(text));
    }

    private List<AIContent>? TakeOutput()
    {
        if (_output.Count == 0)
            return null;
        List<AIContent> taken = [.. _output];
        _output.Clear();
        return taken;
    }

    private static string NewId() => $"call_{Guid.NewGuid():N}";
}
