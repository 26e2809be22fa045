namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>A question and its answer.</summary>
/// <param name="Question">What is asked.</param>
/// <param name="Answer">What the model should say.</param>
/// <param name="Key">What decides whether it is held out; the question itself if null.</param>
internal sealed record Exchange(string Question, string Answer, string? Key = null)
{
    /// <summary>Whether it is kept from training, to measure the model with.</summary>
    public bool IsHeldOut => HeldOut.Contains(Key ?? Question);

    /// <summary>Whether it is in Chinese: decided by the answer, for attributes and sums look the same in both languages.</summary>
    public bool IsChinese => Answer.Any(c => c is >= '\u3000' and <= '\u303F' or >= '\uFF00');
}
