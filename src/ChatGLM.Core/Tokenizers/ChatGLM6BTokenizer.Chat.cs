using System.Globalization;
using System.Text;
using ChatGLM.Chat;

namespace ChatGLM.Tokenizers;

/// <content>Chat prompts and answers.</content>
public sealed partial class ChatGLM6BTokenizer
{
    /// <summary>The prompt of a chat: a first question stands alone, later ones follow the rounds before, counted from 0.</summary>
    /// <param name="query">The question.</param>
    /// <param name="history">The rounds before it: questions and answers in turn.</param>
    /// <exception cref="ChatFormatException">The history is not questions and answers in turn.</exception>
    public string BuildPrompt(string query, IReadOnlyList<ChatMessage>? history = null)
    {
        ArgumentNullException.ThrowIfNull(query);
        var rounds = ChatRounds.Of(history, "ChatGLM-6B");
        if (rounds.Count == 0)
            return query;
        var prompt = new StringBuilder();
        for (var i = 0; i < rounds.Count; i++)
            prompt.Append(CultureInfo.InvariantCulture, $"[Round {i}]\n问：{rounds[i].Query}\n答：{rounds[i].Response}\n");
        return prompt.Append(CultureInfo.InvariantCulture, $"[Round {rounds.Count}]\n问：{query}\n答：").ToString();
    }

    /// <inheritdoc/>
    public override int[] BuildChatInput(string query, IReadOnlyList<ChatMessage>? history = null, ChatRole role = ChatRole.User)
    {
        RequireUser(role);
        return BuildInputsWithSpecialTokens(Encode(BuildPrompt(query, history), null, PlainText));
    }

    /// <inheritdoc/>
    public override ChatResponse ProcessResponse(string response, IReadOnlyList<ChatMessage>? history = null)
    {
        ArgumentNullException.ThrowIfNull(response);
        return PlainResponse(ResponseText.WidenPunctuation(ResponseText.FillTrainingTime(PythonText.Trim(response))));
    }
}
