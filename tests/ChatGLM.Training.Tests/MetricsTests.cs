using System.Text.RegularExpressions;

namespace ChatGLM.Training.Tests;

public sealed class MetricsTests
{
    [Fact]
    public void Bleu_of_the_same_sentence_is_one() => Bleu.Sentence("今天天气很好".ToCharArray(), "今天天气很好".ToCharArray()).Should().BeApproximately(1, 1e-12);

    [Fact]
    public void Bleu_smooths_missing_orders_by_halves()
    {
        // 2 of 3 characters, 1 of 2 pairs, no triple (1/2 of 1) and no run of four (1/4 of 1); 3 characters against 4.
        var expected = Math.Exp(1 - (4 / 3.0)) * Math.Pow(2 / 3.0 * (1 / 2.0) * (1 / 2.0) * (1 / 4.0), 0.25);
        Bleu.Sentence("abcd".ToCharArray(), "abx".ToCharArray()).Should().BeApproximately(expected, 1e-12);
    }

    [Theory]
    [InlineData("abc", "xyz")]
    [InlineData("abc", "")]
    [InlineData("", "abc")]
    public void Bleu_without_a_common_character_is_zero(string reference, string hypothesis) => Bleu.Sentence(reference.ToCharArray(), hypothesis.ToCharArray()).Should().Be(0);

    /// <summary>Recorded from the Python packages rouge_chinese 1.0.3 and nltk 3.8 (<c>sentence_bleu</c> on characters, smoothing method 3), with characters and Latin words as words.</summary>
    [Theory]
    [InlineData("这件衬衫采用了柔软的面料，穿着舒适。", "这款衬衫面料柔软，舒适透气，穿着显瘦。", 0.7222222172222222, 0.3428571378612245, 0.48648648149013884, 0.14309267391293573)]
    [InlineData("好。\n\n好的，我知道了。", "好的。\n\n\n我知道了！", 0.888888883888889, 0.5999999950500001, 0.6956521689224953, 0.3453155548318878)]
    [InlineData("the cat sat on the mat", "the the cat lay on mat", 0.7999999950000002, 0.19999999500000015, 0.6666666616666668, 0.6899375809676302)]
    [InlineData("他说：“好。”然后走了……再见？", "他说：“好！”走了……", 0.7199999952000001, 0.5599999952000001, 0.7407407359122085, 0.38300941228006574)]
    [InlineData("简约的线条设计，凸显了气质", "线条简约的设计，凸显出气质 与 魅力", 0.8275862019500595, 0.592592587654321, 0.6896551674673009, 0.3197842999788807)]
    [InlineData("a\u3000b\tc", "a b c d", 0.8571428522448981, 0.7999999952000001, 0.8571428522448981, 0.08643019616048525)]
    [InlineData("是的", "不是", 0.4999999950000001, 0.0, 0.4999999950000001, 0.2973017787506803)]
    [InlineData("黑色的裤子黑色的裤子", "黑色的裤子", 0.999999995, 0.8888888839506174, 0.6666666622222223, 0.36787944117144233)]
    public void Rouge_and_bleu_are_those_of_the_python_packages(string reference, string hypothesis, double rouge1, double rouge2, double rougeL, double bleu)
    {
        var (wanted, written) = (RougeWords.Of(Characters(reference)), RougeWords.Of(Characters(hypothesis)));
        Rouge.N(wanted, written, 1).Should().BeApproximately(rouge1, 1e-12);
        Rouge.N(wanted, written, 2).Should().BeApproximately(rouge2, 1e-12);
        Rouge.L(wanted, written).Should().BeApproximately(rougeL, 1e-12);
        Bleu.Sentence(reference.ToCharArray(), hypothesis.ToCharArray()).Should().BeApproximately(bleu, 1e-12);
    }

    [Theory]
    [InlineData("今天天气很好适合出门", "今天天气不好", 0.2758512992979459)]
    [InlineData("今天", "今天", 0.5946035575013605)]
    [InlineData("今", "今", 0.3535533905932738)]
    [InlineData("ab", "a", 0.13006502375572224)]
    [InlineData("的的的的", "的的的的的的", 0.5081327481546147)]
    public void Bleu_of_short_and_repeating_texts_is_that_of_nltk(string reference, string hypothesis, double bleu) =>
        Bleu.Sentence(reference.ToCharArray(), hypothesis.ToCharArray()).Should().BeApproximately(bleu, 1e-12);

    [Fact]
    public void An_empty_text_scores_zero_where_python_stops_with_an_error()
    {
        Rouge.N([], ["a"], 1).Should().Be(0);
        Rouge.L(["a"], []).Should().Be(0);
        Seq2SeqMetrics.Compute([("", "好"), ("好", "")], new CharacterSegmenter()).Values.Should().AllBeEquivalentTo(0.0);
    }

    [Fact]
    public void The_segmenter_by_characters_keeps_words_and_splits_chinese() =>
        new CharacterSegmenter().Split("你好, GPT2 world。").Should().Equal("你", "好", ",", "GPT2", "world", "。");

    [Fact]
    public void Accuracy_leaves_out_what_does_not_count() =>
        Accuracy.Compute(new EvalPrediction([[1, 2, 3], [4]], [[1, -100, 5], [4]]))["accuracy"].Should().BeApproximately(2 / 3.0, 1e-12);

    private static string[] Characters(string text) => [.. Regex.Matches(text, "[A-Za-z0-9]+|.", RegexOptions.Singleline).Select(match => match.Value)];
}
