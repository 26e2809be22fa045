using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json.Nodes;

namespace ChatGLM.Chat;

/// <summary>Reads one call with literal keyword arguments, and makes the arguments a JSON object.</summary>
internal ref struct PythonCallReader(ReadOnlySpan<char> code)
{
    /// <summary>How deep lists and dicts may stand in one another.</summary>
    public const int MaxDepth = 32;

    /// <summary>The most digits of a whole number, as in Python 3.11.</summary>
    private const int MaxDigits = 4300;

    private readonly ReadOnlySpan<char> _code = code;
    private int _position;

    public JsonObject ReadCall()
    {
        SkipSpace();
        if (ReadIdentifier() is not "tool_call")
            throw Error(0, "tool_call(name=value, ...)");
        SkipSpace();
        Expect('(');
        var arguments = new JsonObject();
        SkipSpace();
        while (Peek() != ')')
        {
            var at = _position;
            var name = ReadIdentifier();
            SkipSpace();
            Expect('=');
            SkipSpace();
            if (!arguments.TryAdd(name, ReadValue(0)))
                throw Error(at, "each argument once");
            if (!ReadComma(')'))
                break;
        }

        Expect(')');
        SkipSpace();
        if (_position < _code.Length)
            throw Error(_position, "nothing after the call");
        return arguments;
    }

    private JsonNode? ReadValue(int depth)
    {
        if (depth > MaxDepth)
            throw Error(_position, $"at most {MaxDepth} lists and dicts in one another");
        return Peek() switch
        {
            '[' => ReadSequence(']', depth),
            '(' => ReadParenthesis(depth),
            '{' => ReadDict(depth),
            '\'' or '"' => JsonValue.Create(ReadStrings()),
            (>= '0' and <= '9') or '+' or '-' or '.' => ReadNumber(),
            _ => ReadName(),
        };
    }

    private JsonNode? ReadName()
    {
        var at = _position;
        if (Peek() is 'r' or 'R' or 'u' or 'U' && at + 1 < _code.Length && _code[at + 1] is '\'' or '"')
            return JsonValue.Create(ReadStrings());
        return ReadIdentifier() switch
        {
            "True" => JsonValue.Create(true),
            "False" => JsonValue.Create(false),
            "None" => null,
            _ => throw Error(at, "a string, a number, True, False, None, a list or a dict"),
        };
    }

    private JsonArray ReadSequence(char end, int depth)
    {
        _position++;
        var items = new JsonArray();
        SkipSpace();
        while (Peek() != end)
        {
            items.Add(ReadValue(depth + 1));
            if (!ReadComma(end))
                break;
        }

        Expect(end);
        return items;
    }

    /// <summary>A value in parentheses is that value; with a comma, or with nothing in them, they make a tuple, which becomes a list.</summary>
    private JsonNode? ReadParenthesis(int depth)
    {
        _position++;
        SkipSpace();
        if (Peek() == ')')
        {
            _position++;
            return new JsonArray();
        }

        var first = ReadValue(depth + 1);
        if (!ReadComma(')'))
        {
            Expect(')');
            return first;
        }

        // The rest reads like a list that starts one character before its first item.
        _position--;
        var items = ReadSequence(')', depth);
        items.Insert(0, first);
        return items;
    }

    private JsonObject ReadDict(int depth)
    {
        _position++;
        var entries = new JsonObject();
        SkipSpace();
        while (Peek() != '}')
        {
            var at = _position;
            if (Peek() is not ('\'' or '"'))
                throw Error(at, "a string as the key of a dict");
            var name = ReadStrings();
            Expect(':');
            SkipSpace();
            if (!entries.TryAdd(name, ReadValue(depth + 1)))
                throw Error(at, "each key of a dict once");
            if (!ReadComma('}'))
                break;
        }

        Expect('}');
        return entries;
    }

    /// <summary>Reads the comma after an item; false where the list ends instead.</summary>
    private bool ReadComma(char end)
    {
        SkipSpace();
        if (Peek() == end)
            return false;
        Expect(',');
        SkipSpace();
        return true;
    }

    private JsonNode? ReadNumber()
    {
        var start = _position;
        var negative = false;
        while (Peek() is '+' or '-')
            negative ^= _code[_position++] == '-';
        var sign = negative ? "-" : "";
        var at = _position;
        while (_position < _code.Length && (char.IsAsciiLetterOrDigit(_code[_position]) || _code[_position] is '_' or '.'
            || (_code[_position] is '+' or '-' && _code[_position - 1] is 'e' or 'E' && !IsRadix(_code[at.._position]))))
        {
            _position++;
        }

        var text = _code[at.._position];
        if (text.Length is 0 or > MaxDigits || text[0] == '_' || text[^1] == '_' || text.Contains("__", StringComparison.Ordinal))
            throw Error(start, "a number");
        var digits = text.ToString().Replace("_", "", StringComparison.Ordinal);
        string json;
        if (IsRadix(digits))
            json = sign + ReadRadix(digits, start);
        else if (digits.AsSpan().ContainsAnyExceptInRange('0', '9'))
            json = PythonFloat.Write(ReadFloat(digits, start) * (negative ? -1 : 1));
        else if (digits[0] == '0' && digits.AsSpan().ContainsAnyExcept('0'))
            throw Error(start, "a whole number without leading zeros");
        else
            json = digits[0] == '0' ? "0" : sign + digits;
        return JsonNode.Parse(json);
    }

    private static bool IsRadix(ReadOnlySpan<char> digits) => digits.Length > 1 && digits[0] == '0' && digits[1] is 'x' or 'X' or 'o' or 'O' or 'b' or 'B';

    private readonly string ReadRadix(string digits, int start)
    {
        var radix = char.ToLowerInvariant(digits[1]) switch { 'x' => 16, 'o' => 8, _ => 2 };
        var value = BigInteger.Zero;
        foreach (var c in digits.AsSpan(2))
        {
            var digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : 16;
            if (digit >= radix)
                throw Error(start, "a number");
            value = (value * radix) + digit;
        }

        return digits.Length > 2 ? value.ToString(CultureInfo.InvariantCulture) : throw Error(start, "a number");
    }

    private readonly double ReadFloat(string digits, int start)
    {
        const NumberStyles styles = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(digits, styles, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value)
            ? value
            : throw Error(start, "a number that fits into 64 bits of floating point");
    }

    /// <summary>Reads a string, or several in a row, which Python joins.</summary>
    private string ReadStrings()
    {
        var text = new StringBuilder();
        do
        {
            var raw = Peek() is 'r' or 'R';
            if (Peek() is 'r' or 'R' or 'u' or 'U')
                _position++;
            ReadString(text, raw);
            SkipSpace();
        }
        while (Peek() is '\'' or '"' || (Peek() is 'r' or 'R' or 'u' or 'U' && _position + 1 < _code.Length && _code[_position + 1] is '\'' or '"'));

        return text.ToString();
    }

    private void ReadString(StringBuilder text, bool raw)
    {
        var start = _position;
        var quote = Peek();
        if (quote is not ('\'' or '"'))
            throw Error(start, "a string");
        var isLong = _code[_position..].StartsWith([quote, quote, quote]);
        _position += isLong ? 3 : 1;
        while (true)
        {
            if (_position >= _code.Length || (!isLong && _code[_position] is '\n' or '\r'))
                throw Error(start, "a string with an end");
            var c = _code[_position];
            if (c == quote && (!isLong || _code[_position..].StartsWith([quote, quote, quote])))
            {
                _position += isLong ? 3 : 1;
                return;
            }

            _position++;
            if (c == '\\' && raw && _position < _code.Length)
                text.Append(c).Append(_code[_position++]);
            else if (c == '\\')
                ReadEscape(text);
            else
                text.Append(c);
        }
    }

    private void ReadEscape(StringBuilder text)
    {
        var c = Peek();
        _position++;
        switch (c)
        {
            case '\n':
                break;
            case '\\' or '\'' or '"':
                text.Append(c);
                break;
            case 'a':
                text.Append('\a');
                break;
            case 'b':
                text.Append('\b');
                break;
            case 'f':
                text.Append('\f');
                break;
            case 'n':
                text.Append('\n');
                break;
            case 'r':
                text.Append('\r');
                break;
            case 't':
                text.Append('\t');
                break;
            case 'v':
                text.Append('\v');
                break;
            case >= '0' and <= '7':
                var octal = c - '0';
                for (var i = 0; i < 2 && Peek() is >= '0' and <= '7'; i++)
                    octal = (octal * 8) + _code[_position++] - '0';
                text.Append((char)octal);
                break;
            case 'x':
                AppendCodePoint(2, text);
                break;
            case 'u':
                AppendCodePoint(4, text);
                break;
            case 'U':
                AppendCodePoint(8, text);
                break;
            case 'N' or '\0':
                throw Error(_position - 2, "a character by its number, not its name");
            default:
                // Python keeps the backslash of an escape that it does not know.
                text.Append('\\').Append(c);
                break;
        }
    }

    private void AppendCodePoint(int digits, StringBuilder text)
    {
        if (_position + digits > _code.Length
            || !uint.TryParse(_code.Slice(_position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) || value > 0x10FFFF)
        {
            throw Error(_position, $"{digits} hexadecimal digits of a character");
        }

        _position += digits;
        if (value < 0x10000)
            text.Append((char)value);
        else
            text.Append(char.ConvertFromUtf32((int)value));
    }

    private string ReadIdentifier()
    {
        var start = _position;
        while (_position < _code.Length && (char.IsLetter(_code[_position]) || _code[_position] == '_' || (_position > start && char.IsDigit(_code[_position]))))
            _position++;
        return _position > start ? _code[start.._position].ToString() : throw Error(start, "a name");
    }

    private readonly char Peek() => _position < _code.Length ? _code[_position] : '\0';

    private void SkipSpace()
    {
        while (_position < _code.Length && _code[_position] is ' ' or '\t' or '\n' or '\r' or '\f')
            _position++;
    }

    private void Expect(char c)
    {
        if (Peek() != c)
            throw Error(_position, $"'{c}'");
        _position++;
    }

    private readonly ToolCallException Error(int at, string expected)
    {
        var rest = at < _code.Length ? _code[at..Math.Min(at + 40, _code.Length)].ToString() : "the end";
        return new ToolCallException($"The tool call cannot be read at character {at}: expected {expected}, found {rest}. Ask the model again.");
    }
}
