using ChatGLM.Chat;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using GlmMessage = ChatGLM.Chat.ChatMessage;
using GlmRole = ChatGLM.Chat.ChatRole;

namespace ChatGLM.Extensions.AI;

/// <summary>A conversation in the form that a generation of ChatGLM knows: messages before, and the one to answer.</summary>
/// <param name="History">The messages before.</param>
/// <param name="Query">The message to answer.</param>
/// <param name="Role">Who says it.</param>
internal sealed record ChatPrompt(IReadOnlyList<GlmMessage> History, string Query, GlmRole Role)
{
    /// <summary>What ChatGLM3 was trained to see before the list of its tools.</summary>
    private const string ToolInstructions = "Answer the following questions as best as you can. You have access to the following tools:";

    /// <exception cref="ChatFormatException">The model has no form for such messages.</exception>
    public static ChatPrompt Build(IReadOnlyList<Microsoft.Extensions.AI.ChatMessage> messages, string? instructions, ToolList? tools, ChatGLMGeneration generation)
    {
        var flat = new List<GlmMessage>();
        if (!string.IsNullOrEmpty(instructions))
            flat.Add(new GlmMessage(GlmRole.System, instructions));
        for (var i = 0; i < messages.Count; i++)
            MessageReader.Read(messages[i], i, generation, flat);
        if (flat is not [.., { Role: GlmRole.User or GlmRole.Observation } last])
        {
            throw new ChatFormatException(
                $"The last message is {(flat.Count == 0 ? "missing" : $"of the role {flat[^1].Role.ToString().ToLowerInvariant()}")}: expected a question of the user"
                + $"{(generation == ChatGLMGeneration.ChatGLM3 ? " or a tool's result" : "")}, which the model then answers.");
        }

        if (generation == ChatGLMGeneration.ChatGLM3)
        {
            flat.RemoveAt(flat.Count - 1);
            MergeLeadingInstructions(flat, tools);
            return new ChatPrompt(flat, last.Content, last.Role);
        }

        var rounds = ToRounds(flat);
        var query = rounds[^1].Content;
        rounds.RemoveAt(rounds.Count - 1);
        return new ChatPrompt(rounds, query, GlmRole.User);
    }

    /// <summary>ChatGLM3 looks for its instructions, and the tools, in the first message.</summary>
    private static void MergeLeadingInstructions(List<GlmMessage> messages, ToolList? tools)
    {
        var leading = messages.TakeWhile(m => m.Role == GlmRole.System).Select(m => m.Content).ToList();
        messages.RemoveRange(0, leading.Count);
        if (tools is not null)
            leading.Add(ToolInstructions);
        if (leading.Count > 0)
            messages.Insert(0, new GlmMessage(GlmRole.System, string.Join('\n', leading)) { Tools = tools?.Json });
    }

    /// <summary>ChatGLM-6B and 2 know questions and answers in turn, and nothing else: instructions become part of the next question, and what one side says in a row becomes one message.</summary>
    private static List<GlmMessage> ToRounds(List<GlmMessage> messages)
    {
        var rounds = new List<GlmMessage>();
        var instructions = "";
        foreach (var message in messages)
        {
            if (message.Role == GlmRole.System)
            {
                instructions = Join(instructions, message.Content);
                continue;
            }

            var content = message.Content;
            if (message.Role == GlmRole.User)
            {
                content = Join(instructions, content, "\n\n");
                instructions = "";
            }

            if (rounds.Count > 0 && rounds[^1].Role == message.Role)
            {
                rounds[^1] = rounds[^1] with { Content = Join(rounds[^1].Content, content) };
                continue;
            }

            // An answer that nobody asked for, such as a greeting.
            if (rounds.Count == 0 && message.Role == GlmRole.Assistant)
                rounds.Add(new GlmMessage(GlmRole.User, ""));
            rounds.Add(new GlmMessage(message.Role, content));
        }

        return rounds;
    }

    private static string Join(string first, string second, string between = "\n") => first.Length == 0 ? second : second.Length == 0 ? first : first + between + second;
}
