using System.Text;

namespace ChatGLM.Training;

/// <summary>A segmenter without a dictionary: letters and digits of other scripts hold together as words, every Chinese character and every mark stands for itself.</summary>
public sealed class CharacterSegmenter : IWordSegmenter
{
    /// <inheritdoc/>
    public IReadOnlyList<string> Split(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var (words, word) = (new List<string>(), new StringBuilder());
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsLetterOrDigit(rune) && !IsIdeograph(rune))
            {
                word.Append(rune);
                continue;
            }

            End();
            if (!Rune.IsWhiteSpace(rune))
                words.Add(rune.ToString());
        }

        End();
        return words;

        void End()
        {
            if (word.Length > 0)
                words.Add(word.ToString());
            word.Clear();
        }
    }

    private static bool IsIdeograph(Rune rune) => rune.Value is (>= 0x2E80 and <= 0x9FFF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x20000 and <= 0x3FFFF);
}
