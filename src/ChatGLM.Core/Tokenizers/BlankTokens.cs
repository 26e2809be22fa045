using System.Globalization;
using System.Text;
using ChatGLM.Tokenizers.SentencePiece;

namespace ChatGLM.Tokenizers;

/// <summary>ChatGLM-6B's way with whitespace, made for source code: line breaks, tabs and runs of spaces are tokens of their own.</summary>
internal static class BlankTokens
{
    private const string BlankStart = "<|blank_";

    /// <summary>The longest run of spaces with a token.</summary>
    private const int MaxBlank = 80;

    private static ReadOnlySpan<char> Handled => "\n\t ";

    /// <summary>Appends a text in UTF-8 with its whitespace written as tokens.</summary>
    public static void Encode(ReadOnlySpan<char> text, ref PooledList<byte> output)
    {
        while (true)
        {
            var next = text.IndexOfAny(Handled);
            Utf8Text.Append(next < 0 ? text : text[..next], ref output);
            if (next < 0)
                return;
            text = text[next..];
            switch (text[0])
            {
                case '\n':
                    output.AddRange("<n>"u8);
                    text = text[1..];
                    break;
                case '\t':
                    output.AddRange("<|tab|>"u8);
                    text = text[1..];
                    break;
                default:
                    var run = text.IndexOfAnyExcept(' ');
                    run = run < 0 ? text.Length : run;
                    AppendSpaces(run, ref output);
                    text = text[run..];
                    break;
            }
        }
    }

    /// <summary>Puts the whitespace back.</summary>
    public static string Decode(string text)
    {
        if (!text.Contains("<n>", StringComparison.Ordinal) && !text.Contains("<|", StringComparison.Ordinal))
            return text;
        var output = new StringBuilder(text.Length);
        var rewriter = new Rewriter();
        rewriter.Append(text, output);
        rewriter.Flush(output);
        return output.ToString();
    }

    public static TextRewriter CreateRewriter() => new Rewriter();

    private static void AppendSpaces(int count, ref PooledList<byte> output)
    {
        for (; count > 0; count -= Math.Min(count, MaxBlank))
        {
            if (count == 1)
            {
                output.Add((byte)' ');
                continue;
            }

            output.AddRange("<|blank_"u8);
            Math.Min(count, MaxBlank).TryFormat(output.Reserve(4), out var written, default, CultureInfo.InvariantCulture);
            output.Advance(written);
            output.AddRange("|>"u8);
        }
    }

    /// <summary>All tokens at once: none holds the start of another, so one pass does what Python does in 81.</summary>
    private sealed class Rewriter : TextRewriter
    {
        protected override bool MayStartWith(char c) => c == '<';

        protected override MatchKind Match(ReadOnlySpan<char> text, StringBuilder replacement)
        {
            if (text.SequenceEqual("<n>"))
            {
                replacement.Append('\n');
                return MatchKind.Full;
            }

            if (text.SequenceEqual("<|tab|>"))
            {
                replacement.Append('\t');
                return MatchKind.Full;
            }

            if ("<n>".AsSpan().StartsWith(text) || "<|tab|>".AsSpan().StartsWith(text) || BlankStart.AsSpan().StartsWith(text))
                return MatchKind.Partial;
            return text.StartsWith(BlankStart) ? MatchBlank(text[BlankStart.Length..], replacement) : MatchKind.None;
        }

        /// <summary>Matches what follows the name: a number from 2 to 80 without a leading zero, and the end.</summary>
        private static MatchKind MatchBlank(ReadOnlySpan<char> rest, StringBuilder replacement)
        {
            var digits = rest.IndexOfAnyExceptInRange('0', '9');
            digits = digits < 0 ? rest.Length : digits;
            if (digits is 0 or > 2 || rest[0] == '0')
                return MatchKind.None;
            var count = int.Parse(rest[..digits], NumberStyles.None, CultureInfo.InvariantCulture);
            if (count > MaxBlank)
                return MatchKind.None;
            rest = rest[digits..];
            if (rest.IsEmpty)
                return MatchKind.Partial;
            if (count < 2 || !"|>".AsSpan().StartsWith(rest))
                return MatchKind.None;
            if (rest.Length == 1)
                return MatchKind.Partial;
            replacement.Append(' ', count);
            return MatchKind.Full;
        }
    }
}
