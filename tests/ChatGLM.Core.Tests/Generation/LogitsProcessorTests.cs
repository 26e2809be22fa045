using System.Numerics.Tensors;
using ChatGLM.Generation;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Generation;

public sealed class LogitsProcessorTests
{
    /// <summary>Vocabularies of a published model's size and of awkward ones, flat and peaked rows.</summary>
    public static TheoryData<int, double, int> Rows => new()
    {
        { 65024, 1, 1 }, { 65024, 4, 2 }, { 65024, 0.01, 3 }, { 1000, 2, 4 }, { 257, 3, 5 }, { 61, 1, 6 }, { 7, 1, 7 }, { 1, 1, 8 },
    };

    [Theory]
    [MemberData(nameof(Rows))]
    public void Top_p_keeps_what_sorting_the_whole_row_would_keep(int vocabulary, double spread, int seed)
    {
        var row = Normal(vocabulary, spread, seed);
        var probabilities = Probabilities(row);
        var order = Enumerable.Range(0, row.Length).OrderBy(i => row[i]).ToArray();
        foreach (var topP in new[] { 0, 0.05, 0.5, 0.9, 0.999, 0.9999999 })
        {
            foreach (var kept in new[] { 1, 3 })
            {
                var scores = row.ToArray();
                var expected = SortedTopP(scores, probabilities, order, topP, kept);
                Run(new TopPLogitsWarper(topP, kept), scores);
                // A token whose sum falls within rounding of the limit may go either way.
                Differences(scores, expected).Should().BeLessThanOrEqualTo(
                    topP > 0.9999 ? vocabulary / 1000 + 1 : 1, "top_p {0}, at least {1}", topP, kept);
                scores.Count(float.IsFinite).Should().BeGreaterThanOrEqualTo(Math.Min(kept, vocabulary));
            }
        }
    }

    // No nearly flat row: at float32's resolution of the entropy many of its tokens are equally typical, in the reference too.
    [Theory]
    [InlineData(65024, 1, 1)]
    [InlineData(65024, 4, 2)]
    [InlineData(1000, 2, 4)]
    [InlineData(61, 1, 6)]
    [InlineData(7, 1, 7)]
    [InlineData(1, 1, 8)]
    public void Typical_keeps_what_sorting_the_whole_row_would_keep(int vocabulary, double spread, int seed)
    {
        foreach (var mass in new[] { 0.05, 0.5, 0.95 })
        {
            foreach (var kept in new[] { 1, 3 })
            {
                var scores = Normal(vocabulary, spread, seed);
                var expected = SortedTypical(scores, mass, kept);
                Run(new TypicalLogitsWarper(mass, kept), scores);
                Differences(scores, expected).Should().BeLessThanOrEqualTo(1, "mass {0}, at least {1}", mass, kept);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Top_k_keeps_the_best_and_their_ties(int vocabulary, double spread, int seed)
    {
        foreach (var k in new[] { 1, 2, 50, 1000, 100000 })
        {
            var scores = Normal(vocabulary, spread, seed);
            for (var i = 0; i < scores.Length; i++)
                scores[i] = MathF.Round(scores[i], 1);
            var threshold = scores.OrderDescending().ElementAt(Math.Min(k, vocabulary) - 1);
            var expected = scores.Select(s => s < threshold ? float.NegativeInfinity : s).ToArray();
            Run(new TopKLogitsWarper(k), scores);
            scores.Should().Equal(expected);
        }
    }

    [Fact]
    public void Filters_look_only_at_what_earlier_filters_left()
    {
        float[] scores = [5, float.NegativeInfinity, 4, 3, float.NegativeInfinity, 2];
        Run(new TopPLogitsWarper(0.9), scores);
        scores.Should().Equal(5, float.NegativeInfinity, 4, 3, float.NegativeInfinity, float.NegativeInfinity);
    }

    /// <summary>The last two values are how many tokens torch.sort and the cut of torch left of such rows, and a digest of which.</summary>
    [Theory]
    [InlineData(61, 5, 1, 0.5, 16, 447680)]
    [InlineData(61, 7, 2, 0.8, 34, 74540)]
    [InlineData(200, 9, 3, 0.3, 31, 368557)]
    [InlineData(1000, 11, 4, 0.7, 154, 606836)]
    [InlineData(17, 3, 5, 0.6, 8, 540579)]
    [InlineData(12, 3, 6, 0.5, 5, 49730)]
    public void Top_p_chooses_among_equal_scores_as_torch_does(int vocabulary, int levels, int shift, double topP, int kept, int digest)
    {
        var scores = new float[vocabulary];
        for (var i = 0; i < vocabulary; i++)
            scores[i] = (((long)i * i * 7919) + (i * 104729) + (shift * 31)) % levels / 2f;
        Run(new TopPLogitsWarper(topP), scores);
        var left = Enumerable.Range(0, vocabulary).Where(i => float.IsFinite(scores[i])).ToArray();
        left.Should().HaveCount(kept);
        left.Aggregate(0, (hash, i) => ((hash * 31) + i) % 1000003).Should().Be(digest);
    }

    [Fact]
    public void Min_p_keeps_tokens_by_the_best_ones_probability()
    {
        float[] scores = [0, MathF.Log(0.5f), MathF.Log(0.11f), MathF.Log(0.09f)];
        Run(new MinPLogitsWarper(0.1), scores);
        scores[2].Should().NotBe(float.NegativeInfinity);
        scores[3].Should().Be(float.NegativeInfinity);
        float[] kept = [0, -50, -60, -70];
        Run(new MinPLogitsWarper(0.5, 2), kept);
        kept.Should().Equal(0, -50, float.NegativeInfinity, float.NegativeInfinity);
    }

    [Theory]
    [InlineData(1024)]
    [InlineData(4096)]
    [InlineData(5000)]
    [InlineData(13)]
    public void Softmax_of_a_row_with_few_left_has_the_bits_of_the_plain_way(int vocabulary)
    {
        foreach (var keptOf in new[] { 1, 7, 100, 3000 })
        {
            var random = new Random(vocabulary + keptOf);
            var scores = new float[vocabulary];
            for (var i = 0; i < vocabulary; i++)
                scores[i] = i % keptOf == 0 ? (float)((random.NextDouble() * 20) - 10) : float.NegativeInfinity;
            var (expected, sum, max) = (new float[vocabulary], 0.0, scores.Max());
            foreach (var chunk in Enumerable.Range(0, vocabulary).Chunk(1024))
            {
                var part = expected.AsSpan(chunk[0], chunk.Length);
                TensorPrimitives.Subtract(scores.AsSpan(chunk[0], chunk.Length), max, part);
                TensorPrimitives.Exp<float>(part, part);
                sum += TensorPrimitives.Sum<float>(part);
            }

            TensorPrimitives.Divide(expected, (float)sum, expected);
            var found = new float[vocabulary];
            RowMath.Softmax(scores, found);
            found.Should().Equal(expected);
            RowMath.Softmax(scores, scores);
            scores.Should().Equal(expected, "in place too");
        }
    }

    [Fact]
    public void Counts_and_finds_values()
    {
        float[] values = [0, 2, -0f, 2, 1, 2, 3, 0, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 2, 14, 15];
        for (var length = 0; length <= values.Length; length++)
        {
            var part = values[..length];
            foreach (var value in new[] { 0f, 2, 15, 99 })
            {
                RowMath.Count(part, value).Should().Be(part.Count(v => v == value));
                RowMath.LastIndexOf(part, value).Should().Be(Array.FindLastIndex(part, v => v == value));
            }
        }
    }

    [Fact]
    public void Softmax_of_a_large_vocabulary_is_as_good_as_in_float64()
    {
        var scores = Normal(130528, 3, 9);
        scores[77] = float.NegativeInfinity;
        var max = scores.Max();
        var sum = scores.Sum(s => Math.Exp((double)s - max));
        var probabilities = new float[scores.Length];
        var logs = scores.ToArray();
        RowMath.Softmax(scores, probabilities);
        RowMath.LogSoftmax(logs);
        for (var i = 0; i < scores.Length; i++)
        {
            var expected = Math.Exp((double)scores[i] - max) / sum;
            ((double)probabilities[i]).Should().BeApproximately(expected, 2e-6 * expected + 1e-40);
            if (i != 77)
                logs[i].Should().BeApproximately((float)Math.Log(expected), 5e-6f);
        }

        logs[77].Should().Be(float.NegativeInfinity);
    }

    [Fact]
    public void Repetition_counts_each_token_once_in_its_own_row()
    {
        float[] scores = [1, -1, 2, 3, 1, -1, 2, 3];
        new RepetitionPenaltyLogitsProcessor(2).Process(new InputIds([0, 1, 1, 0, 3, 3, 3, 3], 2, 4, 4), new TokenScores(scores, 4));
        scores.Should().Equal(0.5f, -2, 2, 3, 1, -1, 2, 1.5f);
    }

    [Fact]
    public void An_ngram_longer_than_the_text_rules_nothing_out()
    {
        float[] scores = [1, 2, 3];
        new NoRepeatNGramLogitsProcessor(4).Process(new InputIds([0, 1], 1, 2, 2), new TokenScores(scores, 3));
        new NoRepeatNGramLogitsProcessor(3).Process(new InputIds([0, 1], 1, 2, 2), new TokenScores(scores, 3));
        scores.Should().Equal(1, 2, 3);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 0)]
    [InlineData(7, 1)]
    public void Suppresses_at_the_first_free_place(int promptLength, int suppressedAfter)
    {
        // A forced first token moves the first free place behind it, but only in a prompt of one token.
        var config = new GenerationConfig { BeginSuppressTokens = [1], ForcedBosTokenId = promptLength == 1 ? 2 : null };
        var chain = LogitsProcessors.Processors(config, promptLength, 20);
        var length = promptLength == 1 ? 2 : promptLength;
        float[] scores = [1, 1, 1];
        chain.Process(new InputIds(new int[length + suppressedAfter], 1, length + suppressedAfter, length + suppressedAfter), new TokenScores(scores, 3));
        float.IsNegativeInfinity(scores[1]).Should().Be(suppressedAfter == 0);
    }

    [Fact]
    public void Min_p_runs_between_top_p_and_typical() =>
        Names(LogitsProcessors.Warpers(new GenerationConfig { TopP = 0.9, MinP = 0.1, TypicalP = 0.9, Temperature = 0.5 })).Should().Equal(
            "TemperatureLogitsWarper", "TopKLogitsWarper", "TopPLogitsWarper", "MinPLogitsWarper", "TypicalLogitsWarper");

    [Fact]
    public void Options_make_their_processors_in_transformers_order() =>
        Names(LogitsProcessors.Processors(
            new GenerationConfig
            {
                SequenceBias = [new([1], 1)], RepetitionPenalty = 2, NoRepeatNgramSize = 2, BadWordsIds = [[1]], MinLength = 3, MinNewTokens = 2, EosTokenId = [2],
                ForcedBosTokenId = 1, ForcedEosTokenId = [2], RemoveInvalidValues = true, ExponentialDecayLengthPenalty = (1, 2), SuppressTokens = [1],
                BeginSuppressTokens = [1], RenormalizeLogits = true,
            },
            4,
            20,
            [new InvalidScoreLogitsProcessor(1)])).Should().Equal(
            "SequenceBiasLogitsProcessor", "RepetitionPenaltyLogitsProcessor", "NoRepeatNGramLogitsProcessor", "NoBadWordsLogitsProcessor",
            "MinLengthLogitsProcessor", "MinNewTokensLengthLogitsProcessor", "ForcedBOSTokenLogitsProcessor", "ForcedEOSTokenLogitsProcessor",
            "InfNanRemoveLogitsProcessor", "ExponentialDecayLengthPenalty", "SuppressTokensLogitsProcessor", "SuppressTokensAtBeginLogitsProcessor",
            "InvalidScoreLogitsProcessor", "LogitNormalization");

    [Fact]
    public void Views_refuse_buffers_that_do_not_hold_their_rows()
    {
        FluentActions.Invoking(() => { _ = new TokenScores(new float[7], 3); }).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => { _ = new InputIds(new int[7], 2, 4, 4); }).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => { _ = new InputIds(new int[8], 2, 4, 3); }).Should().Throw<ArgumentException>();
    }

    private static void Run(LogitsProcessor processor, float[] scores) => processor.Process(new InputIds([], 1, 0, 0), new TokenScores(scores, scores.Length));

    private static float[] Normal(int count, double spread, int seed)
    {
        var scores = new float[count];
        new TorchGenerator((ulong)seed).Normal(scores, 0, spread);
        return scores;
    }

    // The definition, with everything sorted and added up in float64.
    private static float[] SortedTopP(float[] scores, double[] probabilities, int[] order, double topP, int kept)
    {
        var result = scores.ToArray();
        var sum = 0.0;
        for (var rank = 0; rank < order.Length - kept; rank++)
        {
            sum += probabilities[order[rank]];
            if ((float)sum <= (float)(1 - topP))
                result[order[rank]] = float.NegativeInfinity;
        }

        return result;
    }

    // The surprise is rounded to float32 as the reference's is: a flat row is full of ties at that resolution, and ties stay together.
    private static float[] SortedTypical(float[] scores, double mass, int kept)
    {
        var probabilities = Probabilities(scores);
        var max = scores.Max();
        var logSum = (float)Math.Log(scores.Sum(s => Math.Exp((double)s - max)));
        var entropy = (float)-probabilities.Sum(p => p * Math.Log(p));
        var shifted = scores.Select(s => Math.Abs(-(s - max - logSum) - entropy)).ToArray();
        var order = Enumerable.Range(0, scores.Length).OrderBy(i => shifted[i]).ToArray();
        var sum = 0.0;
        var last = 0;
        while (last < order.Length - 1 && (float)(sum += probabilities[order[last]]) < (float)mass)
            last++;
        var result = scores.ToArray();
        for (var rank = kept > 1 ? kept : 0; rank < order.Length; rank++)
        {
            if (shifted[order[rank]] > shifted[order[last]])
                result[order[rank]] = float.NegativeInfinity;
        }

        return result;
    }

    private static int Differences(float[] scores, float[] expected)
    {
        var different = 0;
        for (var i = 0; i < scores.Length; i++)
            different += float.IsFinite(scores[i]) != float.IsFinite(expected[i]) ? 1 : 0;
        return different;
    }

    private static double[] Probabilities(float[] scores)
    {
        var max = scores.Max();
        var sum = scores.Sum(s => Math.Exp((double)s - max));
        return scores.Select(s => Math.Exp((double)s - max) / sum).ToArray();
    }

    private static IEnumerable<string> Names(LogitsProcessorList list) => Enumerable.Range(0, list.Count).Select(i => list[i].GetType().Name);
}
