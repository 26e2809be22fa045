using System.Globalization;
using System.Text;
using ChatGLM.Chat;

namespace ChatGLM.Tokenizers;

/// <content>Chat prompts and answers.</content>
public sealed partial class ChatGLM2Tokenizer
{
    /// <summary>The prompt of a chat: rounds of question and answer, counted from 1.</summary>
    /// <param name="query">The question.</param>
    /// <param name="history">The rounds before it: questions and answers in turn.</param>
    /// <exception cref="ChatFormatException">The history is not questions and answers in turn.</exception>
    public string BuildPrompt(string query, IReadOnlyList<ChatMessage>? history = null)
    {
        ArgumentNullException.ThrowIfNull(query);
        var rounds = ChatRounds.Of(history, "ChatGLM2");
        var prompt = new StringBuilder();
        for (var i = 0; i < rounds.Count; i++)
            prompt.Append(CultureInfo.InvariantCulture, $"[Round {i + 1}]\n\n问：{rounds[i].Query}\n\n答：{rounds[i].Response}\n\n");
        return prompt.Append(Question(rounds.Count + 1, query)).ToString();
    }

    /// <inheritdoc/>
    public override int[] BuildChatInput(string query, IReadOnlyList<ChatMessage>? history = null, ChatRole role = ChatRole.User)
    {
        RequireUser(role);
        return BuildInputsWithSpecialTokens(Encode(BuildPrompt(query, history), null, PlainText));
    }

    /// <summary>
    /// The ids that a new question adds to a chat whose ids up to the last answer the model still holds in its cache. For a first question,
    /// all ids.
    /// </summary>
    /// <param name="query">The question.</param>
    /// <param name="rounds">How many rounds the cache holds.</param>
    public int[] BuildStreamInput(string query, int rounds)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentOutOfRangeException.ThrowIfNegative(rounds);
        if (rounds == 0)
            return BuildChatInput(query);

        // The first id is the space that encoding puts before a text; here the text goes on from the answer.
        return Encode("\n\n" + Question(rounds + 1, query), null, PlainText)[1..];
    }

    /// <inheritdoc/>
    public override ChatResponse ProcessResponse(string response, IReadOnlyList<ChatMessage>? history = null)
    {
        ArgumentNullException.ThrowIfNull(response);
        return PlainResponse(ResponseText.FillTrainingTime(PythonText.Trim(response)));
    }

    private static string Question(int round, string query) => string.Create(CultureInfo.InvariantCulture, $"[Round {round}]\n\n问：{query}\n\n答：");
}
