namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>Small additions, subtractions and products.</summary>
internal static class Sums
{
    private const int Most = 12;

    /// <summary>Every small sum in every wording. A sum is held out in one wording, never altogether: the model is too small to find out how to add.</summary>
    public static IEnumerable<Exchange> Exchanges()
    {
        for (var a = 0; a <= Most; a++)
        {
            for (var b = 0; b <= Most; b++)
            {
                foreach (var exchange in Of(a, b, '+', "plus", "加", a + b))
                    yield return exchange;
                if (a >= b)
                {
                    foreach (var exchange in Of(a, b, '-', "minus", "减", a - b))
                        yield return exchange;
                }

                if (a is > 0 and < 10 && b is > 0 and < 10)
                {
                    foreach (var exchange in Of(a, b, '*', "times", "乘", a * b))
                        yield return exchange;
                }
            }
        }
    }

    /// <summary>Wordings that are in no training row, with any sum.</summary>
    public static IEnumerable<Exchange> NewWordings()
    {
        for (var a = 0; a <= Most; a++)
        {
            for (var b = 0; b <= Most; b++)
            {
                yield return new Exchange($"Please work out {a} + {b}.", $"{a} + {b} = {a + b}.");
                yield return new Exchange($"{a}加{b}的结果是什么？", $"{a}加{b}等于{a + b}。");
            }
        }
    }

    private static IEnumerable<Exchange> Of(int a, int b, char sign, string english, string chinese, int result)
    {
        foreach (var question in new[] { $"What is {a} {sign} {b}?", $"What is {a} {english} {b}?", $"How much is {a} {sign} {b}?", $"{a} {sign} {b} = ?", $"Calculate {a} {sign} {b}." })
            yield return new Exchange(question, $"{a} {sign} {b} = {result}.");
        foreach (var question in new[] { $"{a}{chinese}{b}等于几？", $"{a}{chinese}{b}等于多少？", $"{a}{chinese}{b}是多少？", $"计算{a}{chinese}{b}。", $"算一下{a}{chinese}{b}。" })
            yield return new Exchange(question, $"{a}{chinese}{b}等于{result}。");
    }
}
