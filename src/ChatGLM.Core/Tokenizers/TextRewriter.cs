using System.Text;

namespace ChatGLM.Tokenizers;

/// <summary>One step of a decoder that changes text as it streams by: it holds back only what could still change.</summary>
internal abstract class TextRewriter
{
    private readonly StringBuilder _pending = new();

    /// <summary>How a piece of text stands to what is looked for.</summary>
    protected enum MatchKind
    {
        /// <summary>It cannot become a match by more text.</summary>
        None,

        /// <summary>More text could make it one.</summary>
        Partial,

        /// <summary>It is one.</summary>
        Full,
    }

    /// <summary>Takes text in, and appends what is certain now to <paramref name="output"/>.</summary>
    public void Append(ReadOnlySpan<char> text, StringBuilder output)
    {
        foreach (var c in text)
        {
            if (_pending.Length == 0 && !MayStartWith(c))
            {
                output.Append(c);
                continue;
            }

            _pending.Append(c);
            Settle(output);
        }
    }

    /// <summary>Appends what was held back: no more text comes.</summary>
    public void Flush(StringBuilder output)
    {
        output.Append(_pending);
        _pending.Clear();
    }

    protected abstract bool MayStartWith(char c);

    /// <summary>Compares text that starts with a possible start.</summary>
    protected abstract MatchKind Match(ReadOnlySpan<char> text, StringBuilder replacement);

    private void Settle(StringBuilder output)
    {
        // What is held back is never longer than what is looked for: a dozen characters.
        Span<char> text = stackalloc char[_pending.Length];
        _pending.CopyTo(0, text, text.Length);
        ReadOnlySpan<char> rest = text;
        while (!rest.IsEmpty)
        {
            if (!MayStartWith(rest[0]))
            {
                output.Append(rest[0]);
                rest = rest[1..];
                continue;
            }

            var kind = Match(rest, output);
            if (kind == MatchKind.Partial)
                break;
            if (kind == MatchKind.Full)
            {
                rest = default;
                break;
            }

            output.Append(rest[0]);
            rest = rest[1..];
        }

        _pending.Clear().Append(rest);
    }
}
