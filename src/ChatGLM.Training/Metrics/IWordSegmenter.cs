namespace ChatGLM.Training;

/// <summary>Splits text into the words that ROUGE compares. THUDM's script uses jieba, and so does <see cref="JiebaSegmenter"/>.</summary>
public interface IWordSegmenter
{
    /// <summary>The words of a text, in order.</summary>
    IReadOnlyList<string> Split(string text);
}
