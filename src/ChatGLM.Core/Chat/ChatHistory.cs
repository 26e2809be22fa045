using System.Collections;
using System.Text.Json;

namespace ChatGLM.Chat;

/// <summary>
/// The messages of a chat so far, oldest first, for every generation: ChatGLM3 takes messages of all roles, 6B and 2 take them as rounds of
/// question and answer. Not safe for use from several threads at once.
/// </summary>
public sealed class ChatHistory : IReadOnlyList<ChatMessage>
{
    private readonly List<ChatMessage> _messages;

    /// <summary>Starts an empty chat.</summary>
    public ChatHistory() => _messages = [];

    /// <summary>Starts from messages of before.</summary>
    public ChatHistory(IEnumerable<ChatMessage> messages) => _messages = [.. messages];

    /// <inheritdoc/>
    public int Count => _messages.Count;

    /// <inheritdoc/>
    public ChatMessage this[int index] => _messages[index];

    /// <summary>Makes a chat of rounds of question and answer, as the Python API of 6B and 2 has them.</summary>
    public static ChatHistory FromRounds(IEnumerable<(string Query, string Response)> rounds)
    {
        ArgumentNullException.ThrowIfNull(rounds);
        var history = new ChatHistory();
        foreach (var (query, response) in rounds)
            history.AddUser(query).AddAssistant(response);
        return history;
    }

    /// <summary>Adds a message.</summary>
    public void Add(ChatMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        _messages.Add(message);
    }

    /// <summary>Adds messages, such as <see cref="ChatResponse.Messages"/>.</summary>
    public void AddRange(IEnumerable<ChatMessage> messages) => _messages.AddRange(messages);

    /// <summary>Adds instructions, and for ChatGLM3 the tools that may be called (a JSON array).</summary>
    public ChatHistory AddSystem(string content, JsonElement? tools = null)
    {
        Add(new ChatMessage(ChatRole.System, content) { Tools = tools });
        return this;
    }

    /// <summary>Adds what the person says.</summary>
    public ChatHistory AddUser(string content)
    {
        Add(new ChatMessage(ChatRole.User, content));
        return this;
    }

    /// <summary>Adds what the model said.</summary>
    public ChatHistory AddAssistant(string content, string metadata = "")
    {
        Add(new ChatMessage(ChatRole.Assistant, content) { Metadata = metadata });
        return this;
    }

    /// <summary>Adds what a tool gave back.</summary>
    public ChatHistory AddObservation(string content)
    {
        Add(new ChatMessage(ChatRole.Observation, content));
        return this;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear() => _messages.Clear();

    /// <inheritdoc/>
    public IEnumerator<ChatMessage> GetEnumerator() => _messages.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
