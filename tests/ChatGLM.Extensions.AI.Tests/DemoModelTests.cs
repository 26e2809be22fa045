using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>A model that learned to talk, if only a little: it tells whether a prompt means what it should, which random weights cannot.</summary>
public sealed class DemoModelTests
{
    private static readonly ChatOptions Greedy = new() { Temperature = 0, MaxOutputTokens = 80 };

    [DemoFact]
    public async Task A_greeting_is_answered_and_the_answer_ends_by_itself()
    {
        using var client = new ChatGLMChatClient(new ChatGLMOptions { Model = DemoFactAttribute.Snapshot });
        var response = await client.GetResponseAsync("你好", Greedy);
        response.Text.Should().NotBeNullOrWhiteSpace();
        response.FinishReason.Should().Be(ChatFinishReason.Stop, "a trained model knows when it is done; it said '{0}'", response.Text);
    }

    [DemoFact]
    public async Task Sixteen_conversations_of_two_turns_at_once_say_what_each_says_alone()
    {
        using var client = new ChatGLMChatClient(new ChatGLMOptions { Model = DemoFactAttribute.Snapshot, MaxOutputTokens = 12 });
        string[] openings = ["你好", "你是谁？", "Hello", "Who are you?"];
        async Task<string> Talk(int i)
        {
            var options = new ChatOptions { Seed = i, Temperature = 1.2f };
            List<ChatMessage> messages = [new(ChatRole.User, openings[i % openings.Length])];
            messages.AddMessages(await client.GetResponseAsync(messages, options));
            messages.Add(new ChatMessage(ChatRole.User, openings[(i + 1) % openings.Length]));
            messages.AddMessages(await client.GetStreamingResponseAsync(messages, options).ToChatResponseAsync());
            return string.Join('|', messages.Select(m => m.Text));
        }

        var alone = new List<string>();
        for (var i = 0; i < 16; i++)
            alone.Add(await Talk(i));
        (await Task.WhenAll(Enumerable.Range(0, 16).Select(Talk))).Should().Equal(alone);
    }
}
