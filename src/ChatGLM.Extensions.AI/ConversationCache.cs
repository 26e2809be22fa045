using ChatGLM.Chat;
using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Extensions.AI;

/// <summary>
/// The sessions of the last conversations, each with its keys and values. A request brings its whole history; the session that knows most of it answers, and reads only the rest. Keys and values are
/// those of one adapter: another one's requests never see them. Used by one request at a time.
/// </summary>
internal sealed class ConversationCache(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, int capacity) : IDisposable
{
    /// <summary>The one used last comes last.</summary>
    private readonly List<(string Adapter, ChatSession Session)> _sessions = [];

    /// <summary>A session with a history, for the caller to put back or dispose.</summary>
    /// <param name="adapter">The model id of the request.</param>
    /// <param name="history">The messages that it brings, without the last.</param>
    public ChatSession Take(string adapter, IReadOnlyList<ChatMessage> history)
    {
        var (best, known) = (0, 0);
        for (var i = 0; i < _sessions.Count; i++)
        {
            if (_sessions[i].Adapter != adapter)
                continue;
            var session = _sessions[i].Session;
            var shared = Shared(session.History, history);
            if (shared > 0 && shared == session.History.Count)
            {
                (best, known) = (i, int.MaxValue);
                break;
            }

            if (shared > known)
                (best, known) = (i, shared);
        }

        // A conversation that only begins alike keeps its session as long as there is room for another.
        if (known < int.MaxValue && _sessions.Count < Math.Max(1, capacity))
            return Fresh(history);
        var (owner, taken) = _sessions[best];
        _sessions.RemoveAt(best);
        if (owner != adapter)
        {
            taken.Dispose();
            return Fresh(history);
        }

        SetHistory(taken, history);
        return taken;
    }

    /// <summary>A session of nobody else's, whose answer does not hang on what was asked before.</summary>
    public ChatSession Fresh(IReadOnlyList<ChatMessage> history) => model.StartChat(tokenizer, new ChatHistory(history));

    /// <summary>Keeps a session for the next turn.</summary>
    /// <param name="adapter">The model id of the request.</param>
    /// <param name="session">A session that has answered.</param>
    /// <param name="history">The messages as the next request will bring them, the answer included.</param>
    public void PutBack(string adapter, ChatSession session, IReadOnlyList<ChatMessage> history)
    {
        if (_sessions.Count >= capacity)
        {
            session.Dispose();
            return;
        }

        SetHistory(session, history);
        _sessions.Add((adapter, session));
    }

    public void Dispose()
    {
        foreach (var (_, session) in _sessions)
            session.Dispose();
        _sessions.Clear();
    }

    private static void SetHistory(ChatSession session, IReadOnlyList<ChatMessage> history)
    {
        session.History.Clear();
        session.History.AddRange(history);
    }

    private static int Shared(ChatHistory known, IReadOnlyList<ChatMessage> history)
    {
        var count = 0;
        while (count < known.Count && count < history.Count && known[count].Role == history[count].Role && known[count].Content == history[count].Content)
            count++;
        return count;
    }
}
