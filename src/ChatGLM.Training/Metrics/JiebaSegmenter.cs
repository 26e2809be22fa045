using System.Text;

namespace ChatGLM.Training;

/// <summary>
/// Splits Chinese text into words as jieba does with <c>HMM=False</c>: all words of the dictionary that a stretch of text could be made of, and among all ways through them the likeliest. A
/// character that begins no word stands alone. Letters and digits hold together. Safe on several threads.
/// </summary>
/// <remarks>jieba's default also guesses words that are in no dictionary, with a model of characters (<c>HMM=True</c>). Its tables are not part of this package; with jieba's own dictionary the
/// difference is small, since it holds 350,000 words.</remarks>
/// <param name="dictionary">The words; those that come with this package if null.</param>
public sealed class JiebaSegmenter(JiebaDictionary? dictionary = null) : IWordSegmenter
{
    private readonly JiebaDictionary _dictionary = dictionary ?? JiebaDictionary.CreateBuiltIn();

    /// <inheritdoc/>
    public IReadOnlyList<string> Split(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var words = new List<string>();
        for (var at = 0; at < text.Length;)
        {
            var end = at;
            if (IsOfWords(text[at]))
            {
                while (end < text.Length && IsOfWords(text[end]))
                    end++;
                SplitBlock(text.AsSpan(at, end - at), words);
            }
            else if (text.AsSpan(at).StartsWith("\r\n"))
            {
                end = at + 2;
                words.Add("\r\n");
            }
            else
            {
                end = at + (char.IsSurrogatePair(text, at) ? 2 : 1);
                words.Add(text[at..end]);
            }

            at = end;
        }

        return words;
    }

    /// <summary>The characters that jieba looks up: common ideographs, ASCII letters and digits, and some marks that names are written with.</summary>
    private static bool IsOfWords(char c) => c is (>= '\u4E00' and <= '\u9FD5') or '+' or '#' or '&' or '.' or '_' or '%' or '-' || char.IsAsciiLetterOrDigit(c);

    private void SplitBlock(ReadOnlySpan<char> block, List<string> words)
    {
        var ends = LikeliestEnds(block);
        var letters = new StringBuilder();
        for (var at = 0; at < block.Length; at = ends[at])
        {
            var word = block[at..ends[at]];
            if (word.Length == 1 && char.IsAsciiLetterOrDigit(word[0]))
            {
                letters.Append(word[0]);
                continue;
            }

            EndLetters();
            words.Add(word.ToString());
        }

        EndLetters();

        void EndLetters()
        {
            if (letters.Length > 0)
                words.Add(letters.ToString());
            letters.Clear();
        }
    }

    /// <summary>Where the word that begins at each character ends, on the likeliest way from there to the end of the block; the longer word where two are as likely.</summary>
    private int[] LikeliestEnds(ReadOnlySpan<char> block)
    {
        var ends = new int[block.Length];
        var best = new double[block.Length + 1];
        for (var start = block.Length - 1; start >= 0; start--)
        {
            best[start] = double.NegativeInfinity;
            var isWordFound = false;
            for (var end = start + 1; end <= block.Length; end++)
            {
                var frequency = _dictionary.Find(block[start..end]);
                if (frequency < 0)
                    break;
                if (frequency == 0)
                    continue;
                isWordFound = true;
                Consider(frequency, end);
            }

            if (!isWordFound)
                Consider(1, start + 1);

            void Consider(long frequency, int end)
            {
                var chance = Math.Log(frequency) - _dictionary.LogTotal + best[end];
                if (chance >= best[start])
                    (best[start], ends[start]) = (chance, end);
            }
        }

        return ends;
    }
}
