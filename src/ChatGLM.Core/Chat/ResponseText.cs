using System.Text;

namespace ChatGLM.Chat;

/// <summary>What the reference does to the text of an answer.</summary>
internal static class ResponseText
{
    /// <summary>The models write this where their training time should stand.</summary>
    public const string TrainingTime = "[[训练时间]]";

    private const string Narrow = ",!:;?";
    private const string Wide = "，！：；？";

    public static string FillTrainingTime(string text) => text.Replace(TrainingTime, "2023年", StringComparison.Ordinal);

    /// <summary>6B writes ASCII punctuation, as its tokenizer gave it: beside a Chinese character it becomes Chinese again.</summary>
    /// <param name="text">The text, or a part of it.</param>
    /// <param name="before">The character before the part; anything but a Chinese one if there is none.</param>
    /// <param name="after">The character after the part.</param>
    public static string WidenPunctuation(string text, char before = default, char after = default)
    {
        if (text.AsSpan().IndexOfAny(Narrow) < 0)
            return text;
        var output = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var mark = Narrow.IndexOf(text[i], StringComparison.Ordinal);
            var besideChinese = mark >= 0 && (IsChinese(i > 0 ? text[i - 1] : before) || IsChinese(i + 1 < text.Length ? text[i + 1] : after));
            output.Append(besideChinese ? Wide[mark] : text[i]);
        }

        return output.ToString();
    }

    public static bool IsNarrowPunctuation(char c) => Narrow.Contains(c, StringComparison.Ordinal);

    private static bool IsChinese(char c) => c is >= '\u4E00' and <= '\u9FFF';
}
