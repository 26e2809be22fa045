using System.Text;

namespace ChatGLM.Chat;

/// <summary>What the reference does to the text of an answer.</summary>
internal static class ResponseText
{
    /// <summary>The models write this where their training time should stand.</summary>
    public static string FillTrainingTime(string text) => text.Replace("[[训练时间]]", "2023年", StringComparison.Ordinal);

    /// <summary>6B writes ASCII punctuation, as its tokenizer gave it: beside a Chinese character it becomes Chinese again.</summary>
    public static string WidenPunctuation(string text)
    {
        const string narrow = ",!:;?";
        const string wide = "，！：；？";
        if (text.AsSpan().IndexOfAny(narrow) < 0)
            return text;
        var output = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var mark = narrow.IndexOf(text[i], StringComparison.Ordinal);
            var besideChinese = mark >= 0 && ((i > 0 && IsChinese(text[i - 1])) || (i + 1 < text.Length && IsChinese(text[i + 1])));
            output.Append(besideChinese ? wide[mark] : text[i]);
        }

        return output.ToString();
    }

    private static bool IsChinese(char c) => c is >= '\u4E00' and <= '\u9FFF';
}
