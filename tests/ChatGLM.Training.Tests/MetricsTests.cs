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

    [Fact]
    public void Rouge_counts_distinct_words()
    {
        string[] reference = ["the", "cat", "sat", "on", "the", "mat"], hypothesis = ["the", "the", "cat", "lay", "on", "mat"];
        // Distinct words: 5 in each, 4 of them common. Distinct pairs: 5 in each, (the, cat) common. Longest common subsequence: the cat on mat.
        Rouge.N(reference, hypothesis, 1).Should().BeApproximately(4 / 5.0, 1e-6);
        Rouge.N(reference, hypothesis, 2).Should().BeApproximately(1 / 5.0, 1e-6);
        Rouge.L(reference, hypothesis).Should().BeApproximately(4 / 5.0, 1e-6);
        Rouge.N([], hypothesis, 1).Should().Be(0);
        Rouge.L(reference, []).Should().Be(0);
    }

    [Fact]
    public void The_built_in_segmenter_keeps_words_and_splits_chinese() =>
        new CharacterSegmenter().Split("你好, GPT2 world。").Should().Equal("你", "好", ",", "GPT2", "world", "。");

    [Fact]
    public void Accuracy_leaves_out_what_does_not_count() =>
        Accuracy.Compute(new EvalPrediction([[1, 2, 3], [4]], [[1, -100, 5], [4]]))["accuracy"].Should().BeApproximately(2 / 3.0, 1e-12);
}
