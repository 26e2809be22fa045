using ChatGLM.Generation;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Generation;

public sealed class TokenSearchTests
{
    private static readonly int[][] Prompts = [[3, 4, 5], [1, 7, 9]];

    private static readonly GenerationConfig Greedy = new() { MaxLength = 12, EosTokenId = [2], PadTokenId = 0, TopK = 0 };

    [Fact]
    public void Takes_the_best_token_until_the_greatest_length()
    {
        var result = Run(Greedy);
        result.Sequences.Should().BeEquivalentTo(
            new[] { new[] { 3, 4, 5, 7, 20, 20, 14, 0, 9, 4, 16, 7 }, [1, 7, 9, 16, 21, 14, 21, 11, 15, 2, 0, 0] }, o => o.WithStrictOrdering());
        result.FinishReasons.Should().Equal(FinishReason.Length, FinishReason.Stop);
        result.CompletionTokens.Should().Equal(9, 7);
        result.SequencesScores.Should().BeNull();
        Run(Greedy with { MaxNewTokens = 9, MaxLength = 1 }).Sequences.Should().BeEquivalentTo(result.Sequences, o => o.WithStrictOrdering());
    }

    [Fact]
    public void Fills_up_the_row_that_finishes_first_and_says_why_each_ended()
    {
        var result = Run(Greedy with { MaxLength = 14, EosTokenId = [20] });
        result.Sequences[0].Should().Equal(3, 4, 5, 7, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        result.Sequences[1].Should().Equal(1, 7, 9, 16, 21, 14, 21, 11, 15, 2, 7, 16, 7, 8);
        result.FinishReasons.Should().Equal(FinishReason.Stop, FinishReason.Length);
        result.CompletionTokens.Should().Equal(2, 11);
        result.Completion(0).ToArray().Should().Equal(7, 20);
    }

    [Fact]
    public void Pads_with_the_end_of_sequence_when_there_is_no_pad() =>
        Run(Greedy with { EosTokenId = [20, 2], PadTokenId = null, MaxLength = 9 }).Sequences[0].Should().Equal(3, 4, 5, 7, 20, 20, 20, 20, 20);

    [Fact]
    public void Stops_when_all_rows_are_done_without_another_step()
    {
        using var session = new HashSession([[1, 7, 9]]);
        var result = Generator.Generate(session, new() { Prompts = [[1, 7, 9]], Config = Greedy with { EosTokenId = [14] } });
        result.Sequences[0].Should().Equal(1, 7, 9, 16, 21, 14);
        session.Fed[0].Should().Equal([1, 7, 9, 16, 21], "the last token has not been fed");
    }

    [Fact]
    public void Samples_the_tokens_that_torch_samples_from_a_seed()
    {
        Run(Greedy with { DoSample = true, Seed = 5 }).Sequences.Should().BeEquivalentTo(
            new[] { new[] { 3, 4, 5, 15, 14, 19, 10, 9, 14, 9, 4, 9 }, [1, 7, 9, 12, 9, 16, 8, 6, 7, 5, 7, 5] }, o => o.WithStrictOrdering());
        Run(Greedy with { DoSample = true, Seed = 6, TopK = 5, Temperature = 0.7, EosTokenId = [2, 8] }).Sequences.Should().BeEquivalentTo(
            new[] { new[] { 3, 4, 5, 7, 11, 18, 11, 18, 5, 2, 0, 0 }, [1, 7, 9, 16, 22, 12, 6, 7, 17, 1, 5, 9] }, o => o.WithStrictOrdering());
        Run(Greedy with { DoSample = true, Seed = 7, TopP = 0.6, Temperature = 1.3 }).Sequences.Should().BeEquivalentTo(
            new[] { new[] { 3, 4, 5, 10, 20, 3, 11, 16, 19, 20, 14, 7 }, [1, 7, 9, 14, 4, 17, 18, 0, 10, 21, 7, 22] }, o => o.WithStrictOrdering());
    }

    [Fact]
    public void Returns_several_samples_of_each_prompt()
    {
        var result = Run(Greedy with { DoSample = true, Seed = 11, TopK = 5, MaxLength = 10, NumReturnSequences = 3 }, [0, 1]);
        result.Sequences.Should().BeEquivalentTo(
            new[]
            {
                new[] { 3, 4, 5, 15, 5, 20, 9, 21, 13, 15 }, [3, 4, 5, 10, 20, 2, 0, 0, 0, 0], [3, 4, 5, 7, 16, 2, 0, 0, 0, 0],
                [1, 7, 9, 18, 3, 15, 17, 22, 13, 7], [1, 7, 9, 14, 21, 7, 9, 18, 7, 6], [1, 7, 9, 16, 11, 5, 17, 5, 17, 14],
            },
            o => o.WithStrictOrdering());
        result.PromptTokens.Should().Equal(3, 3, 3, 2, 2, 2);
    }

    [Fact]
    public void Goes_on_drawing_from_the_callers_generator()
    {
        var random = new TorchGenerator(5);
        var first = Run(Greedy with { DoSample = true }, random: random);
        var second = Run(Greedy with { DoSample = true }, random: random);
        first.Sequences.Should().BeEquivalentTo(Run(Greedy with { DoSample = true, Seed = 5 }).Sequences, o => o.WithStrictOrdering());
        second.Sequences.Should().NotBeEquivalentTo(first.Sequences);
    }

    [Fact]
    public void Streams_each_token_of_each_unfinished_row_as_it_is_chosen()
    {
        var seen = new List<(int Row, int Token)>();
        var result = Run(Greedy with { MaxLength = 14, EosTokenId = [20] }, onToken: (row, token) => seen.Add((row, token)));
        for (var row = 0; row < 2; row++)
            seen.Where(s => s.Row == row).Select(s => s.Token).Should().Equal(result.Completion(row).ToArray());
        seen.Take(4).Select(s => s.Row).Should().Equal(0, 1, 0, 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Cancelling_stops_within_one_token(int beams)
    {
        using var source = new CancellationTokenSource();
        var tokens = 0;
        var session = new HashSession(Prompts) { OnStep = step => { if (step == 2) source.Cancel(); } };
        using (session)
        {
            FluentActions.Invoking(() => Generator.Generate(
                session,
                new() { Prompts = Prompts, Config = Greedy with { MaxLength = 100, NumBeams = beams }, OnToken = (_, _) => tokens++ },
                source.Token)).Should().Throw<OperationCanceledException>();
            session.Steps.Should().Be(2);
            tokens.Should().Be(beams == 1 ? 6 : 0);
        }

        session.Disposed.Should().BeTrue();
    }

    [Fact]
    public void Cancelled_before_it_starts_it_chooses_nothing() =>
        FluentActions.Invoking(() => Generator.Generate(
            new HashSession(Prompts), new() { Prompts = Prompts, Config = Greedy, OnToken = (_, _) => Assert.Fail("no token") }, new CancellationToken(true)))
            .Should().Throw<OperationCanceledException>();

    [Fact]
    public void Ends_a_row_at_a_stop_string_that_spans_tokens()
    {
        static string Decode(ReadOnlySpan<int> tokens) => string.Concat(tokens.ToArray().Select(t => (char)('a' + t)));
        var result = Run(Greedy with { StopStrings = ["zz", "huu"] }, decoder: Decode);
        result.Sequences[0].Should().Equal(3, 4, 5, 7, 20, 20, 0, 0, 0, 0);
        result.FinishReasons.Should().Equal(FinishReason.StopString, FinishReason.Stop);
        result.CompletionTokens.Should().Equal(3, 7);
    }

    [Fact]
    public void A_stop_string_in_the_prompt_ends_nothing()
    {
        static string Decode(ReadOnlySpan<int> tokens) => string.Concat(tokens.ToArray().Select(t => (char)('a' + t)));
        Run(Greedy with { StopStrings = ["def"], EosTokenId = null }, decoder: Decode).FinishReasons.Should().AllBeEquivalentTo(FinishReason.Length);
    }

    [Fact]
    public void Looks_at_the_end_of_the_text_only_however_long_it_gets()
    {
        var longest = 0;
        var matcher = new StopStringMatcher(["xy"], tokens =>
        {
            longest = Math.Max(longest, tokens.Length);
            return new string('x', tokens.Length);
        });
        matcher.IsMatch(new int[100000]).Should().BeFalse();
        longest.Should().BeLessThan(64);
    }

    [Theory]
    [InlineData(float.NaN, false, "*NaN*")]
    [InlineData(float.PositiveInfinity, false, "*infinite*")]
    [InlineData(float.NaN, true, "*NaN*")]
    [InlineData(float.PositiveInfinity, true, "*infinite*")]
    public void Refuses_scores_that_allow_no_choice(float bad, bool sample, string message) =>
        FluentActions.Invoking(() => Run(Greedy with { DoSample = sample, Seed = 1 }, spoil: (_, scores) => scores[7] = bad))
            .Should().Throw<InvalidLogitsException>().WithMessage(message);

    [Fact]
    public void Refuses_a_row_in_which_everything_is_ruled_out() =>
        FluentActions.Invoking(() => Run(Greedy with { SuppressTokens = [.. Enumerable.Range(0, HashSession.Vocabulary)] }))
            .Should().Throw<InvalidLogitsException>().WithMessage("*suppress_tokens*");

    [Fact]
    public void Can_replace_invalid_scores_instead() =>
        Run(Greedy with { RemoveInvalidValues = true }, spoil: (_, scores) => scores[0] = float.NaN).Sequences[0][3].Should().Be(7);

    [Fact]
    public void The_callers_processors_run_after_the_options()
    {
        var seen = new List<float>();
        var own = new Probe((ids, scores) =>
        {
            seen.Add(scores[0][7]);
            scores[0][6] = 1e3f;
            ids.Length.Should().BeGreaterThanOrEqualTo(3);
        });
        var result = Run(Greedy with { SuppressTokens = [7], MaxLength = 5 }, processors: [own]);
        result.Sequences[0].Should().Equal(3, 4, 5, 6, 6);
        seen.Should().HaveCount(2).And.AllBeEquivalentTo(float.NegativeInfinity);
    }

    [Fact]
    public void Refuses_a_prompt_that_leaves_no_room() =>
        FluentActions.Invoking(() => Run(Greedy with { MaxLength = 3 })).Should().Throw<GenerationConfigException>().Which.Field.Should().Be("max_length");

    [Fact]
    public void Refuses_a_token_of_an_option_that_the_model_does_not_have() =>
        FluentActions.Invoking(() => Run(Greedy with { BadWordsIds = [[4, HashSession.Vocabulary]] }))
            .Should().Throw<GenerationConfigException>().Which.Field.Should().Be("bad_words_ids");

    [Fact]
    public void Refuses_prompts_that_the_session_was_not_fed()
    {
        FluentActions.Invoking(() => Generator.Generate(new HashSession(Prompts), new() { Prompts = [Prompts[0]], Config = Greedy })).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => Generator.Generate(new HashSession(Prompts), new() { Prompts = [[1, 2], [3, 4]], Config = Greedy })).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => Generator.Generate(new HashSession(Prompts), new() { Prompts = [[3, 4, 5], [1, 7, 99]], Config = Greedy }))
            .Should().Throw<ArgumentException>().WithMessage("*99*");
    }

    [Fact]
    public void A_huge_limit_reserves_no_huge_memory()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var result = Run(Greedy with { MaxNewTokens = int.MaxValue, EosTokenId = [7, 2] });
        result.FinishReasons.Should().Equal(FinishReason.Stop, FinishReason.Stop);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(1 << 20);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 1)]
    [InlineData(false, 3)]
    [InlineData(true, 3)]
    public void Allocates_nothing_for_a_token(bool sample, int beams)
    {
        var config = new GenerationConfig
        {
            DoSample = sample, NumBeams = beams, Seed = 3, Temperature = 0.9, TopK = 12, TopP = 0.9, RepetitionPenalty = 1.1, NoRepeatNgramSize = 3,
            BadWordsIds = [[3, 4], [5]], MinNewTokens = 5, EosTokenId = [2], PadTokenId = 0,
        };
        long Allocated(int tokens)
        {
            using var session = new FixedSession(2, 500);
            var before = GC.GetAllocatedBytesForCurrentThread();
            Generator.Generate(session, new() { Prompts = [[3, 4, 5], [1, 7, 9]], Config = config with { MaxNewTokens = tokens } });
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // Scratch comes once, as it is first needed, and two long runs have all of it. The least of several runs: a garbage collection
        // in between may make the array pool forget a buffer.
        long Least(int tokens) => Enumerable.Range(0, 4).Min(_ => Allocated(tokens));
        var (few, many) = (Least(120), Least(220));
        // What grows with the number of tokens is the lists of ids (reserved, reordered, returned), four bytes a token in each.
        var rows = 2 * beams;
        (many - few).Should().BeLessThanOrEqualTo(100 * rows * sizeof(int) * 4);
    }

    private static GenerationResult Run(
        GenerationConfig config,
        int[]? padding = null,
        TorchGenerator? random = null,
        Action<int, int>? onToken = null,
        TokenDecoder? decoder = null,
        Action<int, float[]>? spoil = null,
        IReadOnlyList<LogitsProcessor>? processors = null)
    {
        using var session = new HashSession(Prompts) { Spoil = spoil };
        return Generator.Generate(session, new()
        {
            Prompts = Prompts, Config = config, PaddingTokens = padding, Random = random, OnToken = onToken, Decoder = decoder, Processors = processors ?? [],
        });
    }

    private delegate void Seen(InputIds ids, TokenScores scores);

    private sealed class Probe(Seen seen) : LogitsProcessor
    {
        public override void Process(InputIds inputIds, TokenScores scores) => seen(inputIds, scores);
    }

    /// <summary>Scores that change from step to step, without the allocations of a real stand-in.</summary>
    private sealed class FixedSession(int rows, int vocabulary) : IDecodingSession
    {
        private readonly float[] _logits = new float[vocabulary];

        public int Rows { get; private set; } = rows;

        public int VocabularySize => vocabulary;

        public int Length { get; private set; } = 3;

        public ReadOnlySpan<float> Logits(int row)
        {
            for (var v = 0; v < _logits.Length; v++)
                _logits[v] = v == 2 ? -50 : (v * 7919 + Length * 104729 + row * 31) % 1009 / 100f;
            return _logits;
        }

        public void Step(ReadOnlySpan<int> tokens, CancellationToken cancellationToken) => Length++;

        public void SelectRows(ReadOnlySpan<int> rows) => Rows = rows.Length;

        public void Dispose()
        {
        }
    }
}
