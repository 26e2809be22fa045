using System.Text.Json;
using ChatGLM.Chat;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;
using ChatRole = Microsoft.Extensions.AI.ChatRole;

namespace ChatGLM.Extensions.AI.Tests;

/// <summary>ChatGLM3's tools: the model says what a script wants, in the form that the trained model does.</summary>
public sealed class ToolTests(Snapshots snapshots) : IClassFixture<Snapshots>
{
    private const string Call = "get_weather\n ```python\ntool_call(city='北京', days=3)\n```";

    private readonly TinySnapshot _snapshot = snapshots[ChatGLMGeneration.ChatGLM3];
    private readonly ChatGLMTokenizer _tokenizer = AutoTokenizer.FromPretrained(snapshots[ChatGLMGeneration.ChatGLM3].Path);
    private readonly AIFunction _weather = AIFunctionFactory.Create((string city, int days) => $"{city}: {days} 天晴", "get_weather", "查询天气");

    [Fact]
    public async Task A_call_goes_out_its_result_comes_back_and_the_answer_follows()
    {
        using var client = new ChatGLMChatClient(_snapshot.Options());
        var tools = new ChatOptions { Tools = [_weather] };
        List<ChatMessage> messages = [new(ChatRole.User, "北京天气")];

        var script = Script.Says(_tokenizer, Call, callsTool: true);
        var response = await client.GetResponseAsync(messages, script.Options(tools));
        response.FinishReason.Should().Be(ChatFinishReason.ToolCalls);
        response.Text.Should().BeEmpty();
        var call = response.Messages.Single().Contents.OfType<FunctionCallContent>().Single();
        call.Name.Should().Be("get_weather");
        call.Exception.Should().BeNull();
        call.Arguments!.Keys.Should().Equal("city", "days");

        var result = await _weather.InvokeAsync(new AIFunctionArguments(call.Arguments));
        messages.AddMessages(response);
        messages.Add(new ChatMessage(ChatRole.Tool, [new FunctionResultContent(call.CallId, result)]));
        var second = Script.Says(_tokenizer, "\n 北京: 3 天晴");
        var answer = await client.GetResponseAsync(messages, second.Options(tools));
        answer.Text.Should().Be("北京: 3 天晴");
        answer.FinishReason.Should().Be(ChatFinishReason.Stop);

        var history = new ChatHistory().AddSystem("Answer the following questions as best as you can. You have access to the following tools:", Describe(_weather));
        script.Prompt.Should().Equal(_tokenizer.BuildChatInput("北京天气", history));
        history.AddUser("北京天气").AddAssistant(Call[(Call.IndexOf('\n') + 1)..], "get_weather");
        second.Prompt.Should().Equal(_tokenizer.BuildChatInput("北京: 3 天晴", history, Chat.ChatRole.Observation));
    }

    [Fact]
    public async Task A_call_that_came_as_json_reads_as_the_model_would_have_written_it()
    {
        using var client = new ChatGLMChatClient(_snapshot.Options());
        using var json = JsonDocument.Parse("""{"city": "it's \\ 北京", "days": 3, "flags": [true, null, {"a": 1.5}]}""");
        var arguments = json.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => (object?)p.Value);
        var script = Script.Says(_tokenizer, "\n 好");
        ChatMessage[] messages =
        [
            new(ChatRole.User, "天气"),
            new(ChatRole.Assistant, [new FunctionCallContent("1", "get_weather", arguments)]),
            new(ChatRole.Tool, [new FunctionResultContent("1", "晴")]),
        ];
        await client.GetResponseAsync(messages, script.Options());
        const string Written = """tool_call(city='it\'s \\ 北京', days=3, flags=[True, None, {'a': 1.5}])""";
        script.Prompt.Should().Equal(_tokenizer.BuildChatInput(
            "晴", new ChatHistory().AddUser("天气").AddAssistant($"```python\n{Written}\n```", "get_weather"), Chat.ChatRole.Observation));
        JsonElement.DeepEquals(ToolCallParser.Parse("get_weather", Written).Arguments, json.RootElement).Should().BeTrue();
    }

    [Fact]
    public async Task Text_with_tools_at_hand_streams_without_its_empty_line()
    {
        using var client = new ChatGLMChatClient(_snapshot.Options());
        var pieces = new List<string>();
        await foreach (var update in client.GetStreamingResponseAsync("你好", Script.Says(_tokenizer, "\n 你好 数据\nlearning again").Options(new ChatOptions { Tools = [_weather] })))
            pieces.Add(update.Text);
        string.Concat(pieces).Should().Be("你好 数据\nlearning again");
        pieces.Count(p => p.Length > 0).Should().BeGreaterThan(2);
    }

    [Fact]
    public async Task Several_lines_of_text_are_text()
    {
        using var client = new ChatGLMChatClient(_snapshot.Options());
        const string Text = "数据 learning\n你好 again";
        foreach (var options in new[] { new ChatOptions(), new ChatOptions { Tools = [_weather] }, new ChatOptions { Tools = [_weather], ToolMode = ChatToolMode.None } })
            (await client.GetResponseAsync("你好", Script.Says(_tokenizer, Text).Options(options))).Text.Should().Be(Text);
    }

    [Theory]
    [InlineData("get_weather\n ```python\ntool_call(city=os.system('rm'))\n```")]
    [InlineData("get_weather\n ```python\ntool_call(city='北")]
    public async Task A_call_that_cannot_be_read_comes_with_its_error(string text)
    {
        using var client = new ChatGLMChatClient(_snapshot.Options());
        var response = await client.GetResponseAsync("天气", Script.Says(_tokenizer, text, callsTool: true).Options(new ChatOptions { Tools = [_weather] }));
        var call = response.Messages.Single().Contents.OfType<FunctionCallContent>().Single();
        call.Exception.Should().BeOfType<ToolCallException>();
        call.Arguments.Should().BeNull();
    }

    [Fact]
    public async Task A_call_cut_by_the_limit_says_so()
    {
        using var client = new ChatGLMChatClient(_snapshot.Options());
        var options = Script.Says(_tokenizer, Call, callsTool: true).Options(new ChatOptions { Tools = [_weather] });
        options.MaxOutputTokens = _tokenizer.Encode(Call, null, new EncodeOptions { AddSpecialTokens = false }).Length - 6;
        var response = await client.GetResponseAsync("天气", options);
        response.FinishReason.Should().Be(ChatFinishReason.Length);
        response.Messages.Single().Contents.OfType<FunctionCallContent>().Single().Exception.Should().BeOfType<ToolCallException>();
    }

    [Fact]
    public async Task Tools_that_cannot_be_used_are_refused()
    {
        using var client = new ChatGLMChatClient(_snapshot.Options());
        foreach (var (option, options) in new (string, ChatOptions)[]
        {
            ("Tools", new ChatOptions { Tools = [new HostedWebSearchTool()] }),
            ("Tools", new ChatOptions { Tools = [_weather, _weather] }),
            ("ToolMode", new ChatOptions { Tools = [_weather], ToolMode = ChatToolMode.RequireAny }),
        })
        {
            (await client.Awaiting(c => c.GetResponseAsync("天气", options)).Should().ThrowAsync<UnsupportedOptionException>()).Which.Option.Should().Be(option);
        }
    }

    private static JsonElement Describe(AIFunction function)
    {
        using var json = JsonDocument.Parse($$"""[{"name": "{{function.Name}}", "description": "{{function.Description}}", "parameters": {{function.JsonSchema.GetRawText()}}}]""");
        return json.RootElement.Clone();
    }
}
