using System.Text;

namespace ChatGLM.Tokenizers;

/// <summary>The clean-up of transformers: no space before punctuation and English short forms. Each rule goes over the whole text in turn.</summary>
internal static class CleanUpRules
{
    private static readonly (string From, string To)[] Rules =
    [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ];

    public static string Apply(string text)
    {
        foreach (var (from, to) in Rules)
            text = text.Replace(from, to, StringComparison.Ordinal);
        return text;
    }

    public static IEnumerable<TextRewriter> CreateRewriters() => Rules.Select(rule => new Replacement(rule.From, rule.To));

    private sealed class Replacement(string from, string to) : TextRewriter
    {
        protected override bool MayStartWith(char c) => c == from[0];

        protected override MatchKind Match(ReadOnlySpan<char> text, StringBuilder replacement)
        {
            if (text.Length < from.Length)
                return from.AsSpan().StartsWith(text) ? MatchKind.Partial : MatchKind.None;
            if (!text.SequenceEqual(from))
                return MatchKind.None;
            replacement.Append(to);
            return MatchKind.Full;
        }
    }
}
