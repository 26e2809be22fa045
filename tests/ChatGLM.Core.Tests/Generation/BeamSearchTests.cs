using ChatGLM.Generation;

namespace ChatGLM.Core.Tests.Generation;

public sealed class BeamSearchTests
{
    private const double RelativeTolerance = 2e-6;

    private static readonly int[][] Prompts = [[3, 4, 5], [1, 7, 9]];

    private static readonly GenerationConfig Beams = new() { NumBeams = 3, MaxLength = 12, EosTokenId = [2], PadTokenId = 0, TopK = 0 };

    [Fact]
    public void Finds_the_best_sequence_and_its_score() => Check(
        Beams,
        [
            [3, 4, 5, 15, 14, 19, 2, 0, 0, 0, 0, 0], [1, 7, 9, 16, 0, 9, 1, 0, 20, 17, 10, 5]
        ],
        [-0.987974, -1.147178]);

    [Fact]
    public void Returns_several_sequences_best_first()
    {
        var result = Check(
            Beams with { NumReturnSequences = 3 },
            [
                [3, 4, 5, 15, 14, 19, 2, 0, 0, 0, 0, 0], [3, 4, 5, 15, 14, 19, 3, 10, 22, 13, 13, 19],
                [3, 4, 5, 15, 14, 19, 3, 10, 22, 11, 9, 4], [1, 7, 9, 16, 0, 9, 1, 0, 20, 17, 10, 5],
                [1, 7, 9, 16, 0, 9, 1, 4, 13, 0, 10, 21], [1, 7, 9, 16, 0, 9, 1, 0, 20, 17, 9, 7]
            ],
            [-0.987974, -1.090548, -1.094878, -1.147178, -1.169714, -1.183823]);
        result.FinishReasons.Should().Equal(
            FinishReason.Stop, FinishReason.Length, FinishReason.Length, FinishReason.Length, FinishReason.Length, FinishReason.Length);
        result.CompletionTokens.Should().Equal(4, 9, 9, 9, 9, 9);
    }

    [Fact]
    public void Prefers_longer_sequences_under_a_length_penalty_above_zero() => Check(
        Beams with { LengthPenalty = 2, NumReturnSequences = 2 },
        [
            [3, 4, 5, 15, 14, 19, 3, 10, 22, 13, 13, 19], [3, 4, 5, 15, 14, 19, 3, 10, 22, 11, 9, 4],
            [1, 7, 9, 16, 0, 9, 1, 0, 20, 17, 10, 5], [1, 7, 9, 16, 0, 9, 1, 4, 13, 0, 10, 21]
        ],
        [-0.090879, -0.09124, -0.095598, -0.097476]);

    [Fact]
    public void A_list_of_ends_of_sequence_ends_with_the_first_of_them() => Check(
        Beams with { EosTokenId = [2, 8, 11], NumReturnSequences = 3 },
        [
            [3, 4, 5, 15, 14, 19, 2, 0, 0, 0, 0, 0], [3, 4, 5, 15, 14, 19, 3, 10, 22, 13, 13, 19],
            [3, 4, 5, 15, 14, 19, 3, 21, 2, 0, 0, 0], [1, 7, 9, 16, 0, 9, 1, 0, 19, 15, 10, 21],
            [1, 7, 9, 16, 0, 9, 1, 0, 19, 15, 12, 17], [1, 7, 9, 16, 0, 9, 1, 0, 19, 15, 12, 16]
        ],
        [-0.987974, -1.090548, -1.092219, -1.116777, -1.120209, -1.128727]);

    [Fact]
    public void Stops_early_once_there_are_as_many_hypotheses_as_beams() => Check(
        Beams with { EosTokenId = [21, 19, 22], MaxLength = 20, EarlyStopping = EarlyStopping.True, NumReturnSequences = 3 },
        [
            [3, 4, 5, 15, 14, 21, 0, 0, 0, 0, 0, 0], [3, 4, 5, 15, 15, 21, 0, 0, 0, 0, 0, 0], [3, 4, 5, 15, 14, 15, 21, 0, 0, 0, 0, 0],
            [1, 7, 9, 16, 21, 0, 0, 0, 0, 0, 0, 0], [1, 7, 9, 14, 21, 0, 0, 0, 0, 0, 0, 0], [1, 7, 9, 16, 0, 3, 9, 12, 9, 3, 10, 21]
        ],
        [-0.800079, -0.80999, -1.008257, -0.78239, -0.832877, -1.25524]);

    [Fact]
    public void Stops_by_default_once_a_better_one_is_unlikely() => Check(
        Beams with { EosTokenId = [21, 19, 22], MaxLength = 20, NumReturnSequences = 2 },
        [
            [3, 4, 5, 15, 14, 21], [3, 4, 5, 15, 15, 21], [1, 7, 9, 16, 21, 0], [1, 7, 9, 14, 21, 0]
        ],
        [-0.800079, -0.80999, -0.78239, -0.832877]);

    [Fact]
    public void Never_stops_early_while_a_longer_one_could_still_win() => Check(
        Beams with { EosTokenId = [21, 19, 22], MaxLength = 20, EarlyStopping = EarlyStopping.Never, LengthPenalty = 3, NumReturnSequences = 2 },
        [
            [3, 4, 5, 15, 15, 3, 12, 7, 20, 11, 16, 8, 6, 1, 2, 3, 7, 9, 16, 20],
            [3, 4, 5, 15, 15, 3, 12, 7, 20, 11, 16, 8, 6, 1, 2, 3, 2, 17, 14, 17],
            [1, 7, 9, 16, 0, 9, 1, 4, 13, 10, 2, 14, 7, 13, 11, 2, 12, 6, 5, 1],
            [1, 7, 9, 16, 0, 9, 1, 4, 13, 10, 2, 14, 7, 13, 11, 2, 12, 6, 5, 5]
        ],
        [-0.003176, -0.003198, -0.003131, -0.003135]);

    [Fact]
    public void Prefers_shorter_sequences_under_a_length_penalty_below_zero() => Check(
        Beams with { EosTokenId = [21, 19, 22], MaxLength = 20, LengthPenalty = -2, NumReturnSequences = 2 },
        [
            [3, 4, 5, 15, 14, 21], [3, 4, 5, 15, 15, 21], [1, 7, 9, 16, 21, 0], [1, 7, 9, 14, 21, 0]
        ],
        [-100.009871, -101.248741, -50.072983, -53.304138]);

    [Fact]
    public void Runs_to_the_greatest_length_without_an_end_of_sequence() => Check(
        Beams with { EosTokenId = null, NumBeams = 4, MaxLength = 9, NumReturnSequences = 2 },
        [
            [3, 4, 5, 15, 14, 19, 3, 10, 22], [3, 4, 5, 7, 2, 4, 12, 3, 14], [1, 7, 9, 16, 0, 9, 1, 0, 20],
            [1, 7, 9, 16, 0, 9, 18, 9, 18]
        ],
        [-0.912977, -0.94962, -1.022388, -1.026501]);

    [Fact]
    public void Samples_continuations_as_torch_draws_them()
    {
        Check(
            Beams with { DoSample = true, Seed = 5, NumReturnSequences = 2 },
            [
                [3, 4, 5, 15, 14, 19, 3, 21, 2, 0, 0, 0], [3, 4, 5, 15, 14, 19, 3, 21, 10, 4, 14, 14],
                [1, 7, 9, 16, 0, 2, 0, 0, 0, 0, 0, 0], [1, 7, 9, 16, 0, 9, 2, 0, 0, 0, 0, 0]
            ],
            [-1.169883, -1.194601, -1.047029, -1.121453]);
        Check(
            Beams with { DoSample = true, Seed = 9, EosTokenId = [21, 19, 22], MaxLength = 20, EarlyStopping = EarlyStopping.True, NumReturnSequences = 2 },
            [
                [3, 4, 5, 7, 20, 21, 0, 0, 0, 0, 0], [3, 4, 5, 7, 16, 8, 12, 20, 20, 6, 21], [1, 7, 9, 16, 21, 0, 0, 0, 0, 0, 0],
                [1, 7, 9, 16, 0, 3, 9, 21, 0, 0, 0]
            ],
            [-0.958353, -1.338055, -1.090423, -1.155383]);
    }

    [Fact]
    public void A_temperature_divides_the_scores_of_the_beams_too() => Check(
        Beams with { DoSample = true, Seed = 6, NumBeams = 2, TopK = 6, Temperature = 0.5, NumReturnSequences = 2 },
        [
            [3, 4, 5, 15, 15, 22, 21, 18, 7, 6, 15, 15], [3, 4, 5, 15, 15, 22, 21, 18, 7, 6, 15, 9],
            [1, 7, 9, 14, 21, 12, 2, 0, 0, 0, 0, 0], [1, 7, 9, 14, 21, 7, 7, 15, 8, 9, 18, 10]
        ],
        [-120.840546, -120.906148, -8.458244, -141.90976]);

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Refuses_scores_that_allow_no_choice(float bad)
    {
        using var session = new HashSession(Prompts) { Spoil = (row, scores) => scores[7] = row == 4 ? bad : scores[7] };
        FluentActions.Invoking(() => Generator.Generate(session, new() { Prompts = Prompts, Config = Beams })).Should().Throw<InvalidLogitsException>();
    }

    private static GenerationResult Check(GenerationConfig config, int[][] sequences, double[] scores)
    {
        using var session = new HashSession(Prompts);
        var result = Generator.Generate(session, new() { Prompts = Prompts, Config = config });
        result.Sequences.Should().BeEquivalentTo(sequences, o => o.WithStrictOrdering());
        result.SequencesScores.Should().HaveCount(scores.Length);
        for (var i = 0; i < scores.Length; i++)
            result.SequencesScores![i].Should().BeApproximately((float)scores[i], (float)(RelativeTolerance * Math.Max(1, Math.Abs(scores[i]))));
        return result;
    }
}
