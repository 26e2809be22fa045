using System.Globalization;

namespace ChatGLM.Chat;

/// <summary>A history as the rounds of question and answer that 6B and 2 know.</summary>
internal static class ChatRounds
{
    public static List<(string Query, string Response)> Of(IReadOnlyList<ChatMessage>? history, string model)
    {
        var rounds = new List<(string, string)>();
        for (var i = 0; i < (history?.Count ?? 0); i += 2)
        {
            var query = Expect(history!, i, ChatRole.User, model);
            rounds.Add((query, Expect(history!, i + 1, ChatRole.Assistant, model)));
        }

        return rounds;
    }

    private static string Expect(IReadOnlyList<ChatMessage> history, int index, ChatRole role, string model)
    {
        if (index < history.Count && history[index].Role == role)
            return history[index].Content;
        var found = index < history.Count ? history[index].Role.ToString().ToLowerInvariant() : "the end";
        throw new ChatFormatException(string.Create(
            CultureInfo.InvariantCulture,
            $"Message {index} of the history: {model} knows only questions and answers in turn; expected {role.ToString().ToLowerInvariant()}, found {found}. "
            + $"Put instructions into the first question."));
    }
}
