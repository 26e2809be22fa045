namespace ChatGLM.Tokenizers.SentencePiece;

/// <summary>
/// What a model file does to a text before it is split: replacement rules, whitespace at the ends and between words, a space before the first
/// word, and the visible form of the space. Pieces that are user-defined pass untouched.
/// </summary>
internal sealed class TextNormalizer
{
    private readonly NormalizerSpec _spec;
    private readonly ByteTrie? _userDefined;
    private readonly bool _whitespaceAsSuffix;

    /// <summary>The ASCII bytes, other than the space, that stand for themselves whatever follows.</summary>
    private readonly bool[] _plain = new bool[128];
    private readonly bool[] _userDefinedStart = new bool[256];

    public TextNormalizer(NormalizerSpec spec, ByteTrie? userDefined, bool whitespaceAsSuffix)
    {
        _spec = spec;
        _userDefined = userDefined;
        _whitespaceAsSuffix = whitespaceAsSuffix;
        for (var b = 0; b < 256; b++)
        {
            if (userDefined is not null)
            {
                var units = userDefined.Units;
                var unit = units[ByteTrie.Root];
                _userDefinedStart[b] = ByteTrie.TryStep(units, ref unit, (byte)b);
            }

            if (b < 128)
                _plain[b] = b != ' ' && !_userDefinedStart[b] && spec.CharsMap?.MayStartWith((byte)b) != true;
        }
    }

    /// <summary>The visible form of the space, U+2581.</summary>
    public static ReadOnlySpan<byte> Space => "\u2581"u8;

    private ReadOnlySpan<byte> WrittenSpace => _spec.EscapeWhitespaces ? Space : " "u8;

    /// <summary>Writes the normalised form of a UTF-8 text behind what <paramref name="output"/> holds.</summary>
    public void Normalize(ReadOnlySpan<byte> text, ref PooledList<byte> output)
    {
        var position = 0;
        if (_spec.RemoveExtraWhitespaces)
        {
            while (position < text.Length)
            {
                var length = NextPrefix(text[position..], out var replacement);
                if (!replacement.SequenceEqual(" "u8))
                    break;
                position += length;
            }
        }

        if (position >= text.Length)
            return;
        var start = output.Count;
        if (!_whitespaceAsSuffix && _spec.AddDummyPrefix)
            output.AddRange(WrittenSpace);
        var afterSpace = _spec.RemoveExtraWhitespaces;
        while (position < text.Length)
        {
            var run = PlainRun(text[position..]);
            if (run > 0)
            {
                output.AddRange(text.Slice(position, run));
                position += run;
                afterSpace = false;
                continue;
            }

            position += NextPrefix(text[position..], out var replacement);
            while (afterSpace && !replacement.IsEmpty && replacement[0] == ' ')
                replacement = replacement[1..];
            if (!replacement.IsEmpty)
            {
                AppendEscaped(replacement, ref output);
                afterSpace = replacement[^1] == ' ';
            }

            afterSpace &= _spec.RemoveExtraWhitespaces;
        }

        if (_spec.RemoveExtraWhitespaces)
        {
            var written = output.Span[start..];
            while (written.EndsWith(WrittenSpace))
                written = written[..^WrittenSpace.Length];
            output.Truncate(start + written.Length);
        }

        if (_whitespaceAsSuffix && _spec.AddDummyPrefix)
            output.AddRange(WrittenSpace);
    }

    private int PlainRun(ReadOnlySpan<byte> text)
    {
        var plain = _plain;
        var i = 0;
        while (i < text.Length && text[i] < plain.Length && plain[text[i]])
            i++;
        return i;
    }

    private void AppendEscaped(ReadOnlySpan<byte> replacement, ref PooledList<byte> output)
    {
        if (!_spec.EscapeWhitespaces)
        {
            output.AddRange(replacement);
            return;
        }

        for (var space = replacement.IndexOf((byte)' '); space >= 0; space = replacement.IndexOf((byte)' '))
        {
            output.AddRange(replacement[..space]);
            output.AddRange(Space);
            replacement = replacement[(space + 1)..];
        }

        output.AddRange(replacement);
    }

    /// <summary>Takes the longest rule, or one character, off the front of a text.</summary>
    /// <returns>The bytes taken.</returns>
    private int NextPrefix(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        if (_userDefinedStart[text[0]])
        {
            var piece = _userDefined!.LongestPrefix(text);
            if (piece > 0)
            {
                replacement = text[..piece];
                return piece;
            }
        }

        if (_spec.CharsMap is { } map)
        {
            var matched = map.Match(text, out replacement);
            if (matched > 0)
                return matched;
        }

        if (text[0] < 0x80)
        {
            replacement = text[..1];
            return 1;
        }

        var known = Utf8.Decode(text, out var length) >= 0;
        replacement = known ? text[..length] : "\uFFFD"u8;
        return length;
    }
}
