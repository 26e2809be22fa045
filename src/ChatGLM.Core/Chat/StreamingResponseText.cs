using ChatGLM.Tokenizers;

namespace ChatGLM.Chat;

/// <summary>
/// Does to the text of an answer, while it is still being written, what the reference does to it as a whole: white space around it goes, the training time is filled in, and
/// ChatGLM-6B's punctuation becomes Chinese beside Chinese characters. It holds back only what later text may still change. For one answer and one thread.
/// </summary>
/// <param name="generation">Whose answer it is.</param>
public sealed class StreamingResponseText(ChatGLMGeneration generation)
{
    private string _pending = "";
    private char _before;
    private bool _hasText;

    /// <summary>Takes the next text in.</summary>
    /// <param name="text">Text as generated, in parts of any size.</param>
    /// <returns>The processed text that is certain by now; it may be empty.</returns>
    public string Append(ReadOnlySpan<char> text)
    {
        var known = ResponseText.FillTrainingTime(string.Concat(_pending, _hasText ? text : PythonText.TrimStart(text)));
        var end = known.Length - Held(known);
        // What follows a mark decides its form.
        if (generation == ChatGLMGeneration.ChatGLM6B && end == known.Length && end > 0 && ResponseText.IsNarrowPunctuation(known[^1]))
            end--;
        _pending = known[end..];
        _hasText |= known.Length > 0;
        return Emit(known[..end], end < known.Length ? known[end] : default);
    }

    /// <summary>Ends the answer.</summary>
    /// <returns>The rest of the processed text.</returns>
    public string Flush()
    {
        var rest = PythonText.TrimEnd(_pending).ToString();
        _pending = "";
        return Emit(rest, default);
    }

    /// <summary>How many characters at the end may still change: white space that may turn out to be the last, or the beginning of what stands for the training time.</summary>
    private static int Held(string text)
    {
        var spaces = text.Length - PythonText.TrimEnd(text).Length;
        for (var length = Math.Min(text.Length, ResponseText.TrainingTime.Length - 1); length > spaces; length--)
        {
            if (text.AsSpan().EndsWith(ResponseText.TrainingTime.AsSpan(0, length)))
                return length;
        }

        return spaces;
    }

    private string Emit(string text, char after)
    {
        if (text.Length == 0)
            return "";
        var output = generation == ChatGLMGeneration.ChatGLM6B ? ResponseText.WidenPunctuation(text, _before, after) : text;
        _before = text[^1];
        return output;
    }
}
