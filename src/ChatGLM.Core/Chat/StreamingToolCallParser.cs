using System.Text;

namespace ChatGLM.Chat;

/// <summary>
/// Reads a ChatGLM3 tool call while the model is still writing it: takes the answer's text in parts and says when the call is whole. Text
/// around the call, such as the line <c>```python</c>, is passed over. For one call and one thread.
/// </summary>
public sealed class StreamingToolCallParser
{
    private const string Start = "tool_call";

    private readonly string _name;
    private readonly StringBuilder _code = new();
    private int _startMatched;
    private int _open;
    private char _quote;
    private State _state;
    private int _quotes;
    private bool _escaped;

    private enum State
    {
        /// <summary>Outside of strings.</summary>
        Code,

        /// <summary>Behind one or two quotes: three begin a long string, two are an empty one.</summary>
        Opening,
        String,
        LongString,
    }

    /// <summary>Waits for a call of a tool.</summary>
    /// <param name="name">The tool's name, which the model writes on the line before.</param>
    public StreamingToolCallParser(string name) => _name = name ?? throw new ArgumentNullException(nameof(name));

    /// <summary>The call, once it is whole.</summary>
    public ToolCall? Call { get; private set; }

    /// <summary>Takes the next text in.</summary>
    /// <returns>Whether the call is whole; what follows it is not looked at any more.</returns>
    /// <exception cref="ToolCallException">The call does not follow the grammar, or does not end.</exception>
    public bool Append(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (Call is not null)
                return true;
            if (_startMatched < Start.Length)
            {
                // No letter but the first starts the name again, so that a mismatch loses nothing.
                _startMatched = c == Start[_startMatched] ? _startMatched + 1 : c == Start[0] ? 1 : 0;
                if (_startMatched == Start.Length)
                    _code.Append(Start);
                continue;
            }

            _code.Append(c);
            if (_code.Length > ToolCallParser.MaxLength)
                throw new ToolCallException($"The tool call is too long: expected at most {ToolCallParser.MaxLength} characters. Ask the model again.");
            if (Ends(c))
                Call = ToolCallParser.Parse(_name, _code.ToString());
        }

        return Call is not null;
    }

    /// <summary>Ends the answer.</summary>
    /// <returns>The call.</returns>
    /// <exception cref="ToolCallException">The answer ended before the call did, or held none.</exception>
    public ToolCall Finish() => Call
        ?? throw new ToolCallException($"The answer ends within the tool call: expected tool_call(...), found '{_code}'. Let the model write more tokens.");

    /// <summary>Follows brackets and strings; true at the bracket that ends the call.</summary>
    private bool Ends(char c)
    {
        switch (_state)
        {
            case State.Opening when c == _quote:
                if (++_quotes == 3)
                    (_state, _quotes) = (State.LongString, 0);
                return false;
            case State.Opening:
                _state = _quotes == 1 ? State.String : State.Code;
                return Ends(c);
            case State.String or State.LongString when _escaped:
                _escaped = false;
                _quotes = 0;
                return false;
            case State.String or State.LongString when c == '\\':
                _escaped = true;
                return false;
            case State.String:
                if (c == _quote)
                    _state = State.Code;
                return false;
            case State.LongString:
                _quotes = c == _quote ? _quotes + 1 : 0;
                if (_quotes == 3)
                    _state = State.Code;
                return false;
            default:
                break;
        }

        switch (c)
        {
            case '\'' or '"':
                (_quote, _quotes, _state) = (c, 1, State.Opening);
                return false;
            case '(' or '[' or '{':
                _open++;
                return false;
            case ')' or ']' or '}':
                return --_open <= 0;
            default:
                return false;
        }
    }
}
