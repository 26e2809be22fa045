namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>Questions that only mean something after the one before: "And Germany?", 那德国呢, 再加2呢.</summary>
internal sealed class FollowUps : ITopic
{
    private readonly FixedTopic _capitals = new(Countries.Exchanges());
    private readonly FixedTopic _words = new(Words.Exchanges());

    public IReadOnlyList<Exchange> Next(Draw draw) => draw.Below(3) switch
    {
        0 => Capitals(draw),
        1 => Translations(draw),
        _ => Chain(draw),
    };

    private IReadOnlyList<Exchange> Capitals(Draw draw)
    {
        var (english, chinese, englishCapital, chineseCapital) = draw.From(Countries.All);
        var first = Start(_capitals, draw, answer => answer.StartsWith("The capital", StringComparison.Ordinal) || answer.Contains("的首都是", StringComparison.Ordinal));
        return first.IsChinese
            ? [first, new Exchange(Short(chinese, draw), Countries.ChineseAnswer(chinese, chineseCapital), $"首都>{chinese}")]
            : [first, new Exchange(EnglishShort(english, draw), Countries.EnglishAnswer(english, englishCapital), $"capital>{english}")];
    }

    private IReadOnlyList<Exchange> Translations(Draw draw)
    {
        var (english, chinese) = draw.From(Words.All);
        var first = Start(_words, draw, _ => true);
        return first.IsChinese
            ? [first, new Exchange(Short(chinese, draw), Words.ChineseAnswer(english, chinese), $"英文>{chinese}")]
            : [first, new Exchange(EnglishShort(english, draw), Words.EnglishAnswer(english, chinese), $"word>{english}")];
    }

    private static IReadOnlyList<Exchange> Chain(Draw draw)
    {
        var (a, b, c) = (draw.Below(10), draw.Below(10), 1 + draw.Below(3));
        return draw.Percent(50)
            ? [new Exchange($"{a}加{b}等于几？", $"{a}加{b}等于{a + b}。"), new Exchange(draw.From([$"再加{c}呢？", $"那再加{c}呢？", $"再加{c}等于几？"]), $"{a + b}加{c}等于{a + b + c}。", $"再加>{a + b}>{c}")]
            : [new Exchange($"What is {a} + {b}?", $"{a} + {b} = {a + b}."), new Exchange(draw.From([$"Plus {c}?", $"And plus {c}?", $"And if I add {c}?"]), $"{a + b} + {c} = {a + b + c}.", $"plus>{a + b}>{c}")];
    }

    private static Exchange Start(FixedTopic topic, Draw draw, Func<string, bool> isWanted)
    {
        while (true)
        {
            if (topic.Next(draw)[0] is var exchange && isWanted(exchange.Answer))
                return exchange;
        }
    }

    private static string Short(string what, Draw draw) => draw.From([$"那{what}呢？", $"{what}呢？", $"{what}呢", $"那么{what}呢？", $"还有{what}呢？"]);

    private static string EnglishShort(string what, Draw draw) => draw.From([$"And {what}?", $"What about {what}?", $"and {what}", $"How about {what}?", $"{char.ToUpperInvariant(what[0])}{what[1..]}?"]);
}
