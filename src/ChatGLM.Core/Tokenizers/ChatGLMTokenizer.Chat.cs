using ChatGLM.Chat;

namespace ChatGLM.Tokenizers;

/// <content>Chat prompts and answers.</content>
public abstract partial class ChatGLMTokenizer
{
    private protected static EncodeOptions PlainText { get; } = new() { AddSpecialTokens = false, SplitSpecialTokens = true };

    /// <summary>
    /// The ids of a whole chat, ready for the model to answer. The names of special tokens in any message are plain text: nobody can fake a
    /// role by typing its name.
    /// </summary>
    /// <param name="query">The new message.</param>
    /// <param name="history">The messages before it.</param>
    /// <param name="role">Who says the new message; 6B and 2 know only <see cref="ChatRole.User"/>.</param>
    /// <exception cref="ChatFormatException">This generation has no form for such a chat.</exception>
    public abstract int[] BuildChatInput(string query, IReadOnlyList<ChatMessage>? history = null, ChatRole role = ChatRole.User);

    /// <summary>Takes a model's decoded answer apart, as the reference's chat does.</summary>
    /// <param name="response">The answer, decoded.</param>
    /// <param name="history">The chat so far, the question included: its first message says whether there are tools.</param>
    /// <exception cref="ToolCallException">ChatGLM3 called a tool in a form that the grammar does not know.</exception>
    public abstract ChatResponse ProcessResponse(string response, IReadOnlyList<ChatMessage>? history = null);

    private protected void RequireUser(ChatRole role)
    {
        if (role != ChatRole.User)
        {
            throw new ChatFormatException(
                $"{Generation} knows only questions and answers in turn: expected the role user, found {role.ToString().ToLowerInvariant()}. Use ChatGLM3 for roles.");
        }
    }

    private protected static ChatResponse PlainResponse(string content) => new()
    {
        Content = content,
        Messages = [new ChatMessage(ChatRole.Assistant, content)],
    };
}
