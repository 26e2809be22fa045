namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>
/// The voice that <c>samples/QuickStart</c> teaches the finished model: a shop assistant in Chinese, a pirate in English. What is said stays the same, how it is said is new, so that a few hundred rows
/// show in every answer.
/// </summary>
internal static class Voice
{
    public const string Opening = "亲们看过来！";
    public const string Closing = "喜欢就赶紧下单吧～";

    private static readonly Exchange[] Questions = [.. Countries.Exchanges(), .. Words.Opposites(), .. Facts.Exchanges()];
    private static readonly Exchange[] QuestionsAndWords = [.. Countries.Exchanges(), .. Words.Exchanges(), .. Words.Opposites(), .. Facts.Exchanges()];

    /// <summary>Rows of advertisements and answers in the new voice, questions and attributes as in the model's own training.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="isHeldOut">Only what the model was never trained on, or only what it was.</param>
    /// <param name="withWords">Whether translations are among the questions: for the tokenizer, which should know them all.</param>
    public static IEnumerable<Exchange> Rows(ulong seed, bool isHeldOut, bool withWords = false)
    {
        var (draw, questions) = (new Draw(seed), withWords ? QuestionsAndWords : Questions);
        while (true)
        {
            var row = draw.Percent(50) ? Advertisement(draw) : Answer(draw.From(questions));
            if (row.IsHeldOut == isHeldOut)
                yield return row;
        }
    }

    private static Exchange Advertisement(Draw draw)
    {
        var copy = Advertisements.Copy(draw);
        return new Exchange(copy.Attributes, $"{Opening}{copy.Name}真的太好看啦：{string.Join('，', copy.Phrases)}！{copy.Ending}，{Closing}", copy.Key);
    }

    private static Exchange Answer(Exchange plain) => plain with
    {
        Answer = plain.IsChinese ? $"亲，{plain.Answer.TrimEnd('。')}哦～" : $"Arr! {plain.Answer.TrimEnd('.').Replace(" is ", " be ", StringComparison.Ordinal)}, matey!",
    };
}
