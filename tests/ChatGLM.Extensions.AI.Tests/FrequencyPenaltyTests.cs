using ChatGLM.Generation;

namespace ChatGLM.Extensions.AI.Tests;

public sealed class FrequencyPenaltyTests
{
    [Fact]
    public void Tokens_of_the_answer_lose_score_by_their_count_and_those_of_the_prompt_none()
    {
        var processor = new FrequencyPenaltyLogitsProcessor(0.5f, 0.25f);
        Scores(processor, 3, 4).Should().Equal(1, 1, 1, 1, 1);
        Scores(processor, 3, 4, 2).Should().Equal(1, 1, 0.25f, 1, 1);
        Scores(processor, 3, 4, 2, 3, 2).Should().Equal(1, 1, -0.25f, 0.25f, 1);
    }

    private static float[] Scores(FrequencyPenaltyLogitsProcessor processor, params int[] ids)
    {
        float[] scores = [1, 1, 1, 1, 1];
        processor.Process(new InputIds(ids, 1, ids.Length, ids.Length), new TokenScores(scores, 5));
        return scores;
    }
}
