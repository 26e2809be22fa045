namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>The ways in which people write the same question: with or without a polite beginning, a question mark, a capital letter.</summary>
internal static class Manners
{
    private static readonly string[] ChineseBeginnings = ["请问", "请问，", "请问一下，", "你知道吗，", "我想知道", "告诉我，"];
    private static readonly string[] EnglishBeginnings = ["Please tell me: ", "Can you tell me: ", "I want to know: ", "Hey, ", "Quick question: ", "Do you know: "];

    /// <summary>The same exchange, asked in one of these ways. What holds it out stays what it was.</summary>
    public static Exchange Vary(Exchange exchange, Draw draw, bool isPolite)
    {
        var question = exchange.Question;
        var isQuestion = question[^1] is '?' or '？';
        if (draw.Percent(25))
            question = question.TrimEnd('?', '？', '.', '。', '!', '！').TrimEnd();
        else if (question[^1] == '？' && draw.Percent(20))
            question = question[..^1] + "?";
        else if (exchange.IsChinese && char.IsLetterOrDigit(question[^1]) && draw.Percent(30))
            question += draw.From(["。", "！", "？"]);

        if (isPolite && isQuestion && draw.Percent(25))
            question = exchange.IsChinese ? draw.From(ChineseBeginnings) + question : After(draw.From(EnglishBeginnings), question);
        else if (char.IsAsciiLetterUpper(question[0]) && draw.Percent(20))
            question = After("", question);
        return exchange with { Question = question, Key = exchange.Key ?? exchange.Question };
    }

    private static string After(string beginning, string question) => beginning + (beginning.EndsWith(": ", StringComparison.Ordinal) ? question : char.ToLowerInvariant(question[0]) + question[1..]);
}
