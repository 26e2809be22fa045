using ChatGLM.Chat;
using ChatGLM.Tokenizers;
using ChatGLM.Tools.TrainDemo.Text;
using ChatGLM.Training;

namespace ChatGLM.Tools.TrainDemo.Training;

/// <summary>Makes rows of conversations in ChatGLM2's prompt format. Every answer of a conversation is learned from, not the last alone: the rounds before it are computed anyway.</summary>
internal sealed class ConversationRows(ChatGLM2Tokenizer tokenizer)
{
    private const int IgnoredLabel = -100;

    public TokenizedExample Row(IReadOnlyList<Exchange> rounds)
    {
        var prompt = Prompt(rounds, rounds.Count - 1);
        int[] ids = [.. prompt, .. tokenizer.Encode(rounds[^1].Answer, options: new EncodeOptions { AddSpecialTokens = false }), tokenizer.EosTokenId];
        var labels = new int[ids.Length];
        Array.Fill(labels, IgnoredLabel);
        ids.AsSpan(prompt.Length).CopyTo(labels.AsSpan(prompt.Length));
        for (var round = 0; round < rounds.Count - 1; round++)
        {
            // The first token of an earlier answer is left out: behind "答：" in the prompt it lacks the space that begins an answer of its own. So is what follows the answer, which is a new round there.
            var (before, after) = (Prompt(rounds, round).Length, AnsweredLength(rounds, round));
            for (var i = before + 1; i < after; i++)
                labels[i] = ids[i];
        }

        return new TokenizedExample(ids, labels);
    }

    /// <summary>The ids of the question of one round, those before it as its history.</summary>
    public int[] Prompt(IReadOnlyList<Exchange> rounds, int round) => tokenizer.Encode(PromptText(rounds, round));

    private int AnsweredLength(IReadOnlyList<Exchange> rounds, int round) => tokenizer.Encode(PromptText(rounds, round) + rounds[round].Answer).Length;

    private string PromptText(IReadOnlyList<Exchange> rounds, int round) => tokenizer.BuildPrompt(
        rounds[round].Question,
        [.. rounds.Take(round).SelectMany(exchange => new[] { new ChatMessage(ChatRole.User, exchange.Question), new ChatMessage(ChatRole.Assistant, exchange.Answer) })]);
}
