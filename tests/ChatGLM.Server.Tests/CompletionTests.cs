using System.Text.Json;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary><c>/v1/completions</c>.</summary>
public sealed class CompletionTests(DemoServer demo) : IClassFixture<DemoServer>
{
    private const string Path = "/v1/completions";

    private readonly RunningServer _server = demo.Server;

    [Fact]
    public async Task A_text_goes_on()
    {
        var response = await _server.AskAsync(Path, """{"model": "chatglm-demo", "prompt": "The capital of", "temperature": 0}""");
        response.GetProperty("id").GetString().Should().StartWith("cmpl-");
        response.GetProperty("object").GetString().Should().Be("text_completion");
        var choice = response.GetProperty("choices").EnumerateArray().Should().ContainSingle().Which;
        choice.GetProperty("text").GetString().Should().NotBeEmpty();
        response.GetProperty("usage").GetProperty("completion_tokens").GetInt32().Should().BeInRange(1, 16, "that is how long it goes on where nobody says");
    }

    [Fact]
    public async Task Several_texts_go_on_each_by_itself_and_the_same_in_a_stream()
    {
        const string How = "\"model\": \"chatglm-demo\", \"max_tokens\": 8, \"seed\": 5, \"temperature\": 1.5";
        var alone = new List<JsonElement>();
        foreach (var prompt in new[] { "你好", "The capital" })
            alone.Add(await _server.AskAsync(Path, $$"""{ {{How}}, "prompt": "{{prompt}}"}"""));
        var both = await _server.AskAsync(Path, $$"""{ {{How}}, "prompt": ["你好", "The capital"]}""");
        var texts = both.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("text").GetString()).ToList();
        texts.Should().Equal(alone.Select(a => a.GetProperty("choices")[0].GetProperty("text").GetString()));
        both.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("index").GetInt32()).Should().Equal(0, 1);
        both.GetProperty("usage").GetProperty("total_tokens").GetInt32().Should().Be(alone.Sum(a => a.GetProperty("usage").GetProperty("total_tokens").GetInt32()));

        var events = await _server.StreamAsync(Path, $$"""{ {{How}}, "prompt": ["你好", "The capital"], "stream": true, "stream_options": {"include_usage": true} }""");
        var choices = events.SkipLast(1).Select(e => e.GetProperty("choices").EnumerateArray().Single()).ToList();
        for (var i = 0; i < 2; i++)
            string.Concat(choices.Where(c => c.GetProperty("index").GetInt32() == i).Select(c => c.GetProperty("text").GetString())).Should().Be(texts[i]);
        choices.Count(c => c.GetProperty("finish_reason").ValueKind == JsonValueKind.String).Should().Be(2);
        JsonElement.DeepEquals(events[^1].GetProperty("usage"), both.GetProperty("usage")).Should().BeTrue();
    }

    [Theory]
    [InlineData("\"prompt\": []", "prompt", "invalid_value")]
    [InlineData("\"prompt\": [1, 2]", "prompt[0]", "invalid_value")]
    [InlineData("\"max_tokens\": 4", "prompt", "missing_required_parameter")]
    [InlineData("\"prompt\": \"x\", \"echo\": true", "echo", "unsupported_parameter")]
    [InlineData("\"prompt\": \"x\", \"suffix\": \"y\"", "suffix", "unsupported_parameter")]
    [InlineData("\"prompt\": \"x\", \"best_of\": 3", "best_of", "unsupported_parameter")]
    [InlineData("\"prompt\": \"x\", \"logprobs\": 1", "logprobs", "unsupported_parameter")]
    [InlineData("\"prompt\": \"x\", \"messages\": []", "messages", "unknown_parameter")]
    public async Task What_cannot_be_done_is_refused_by_name(string fields, string field, string code)
    {
        var error = await _server.RefusedAsync(Path, $$"""{"model": "chatglm-demo", {{fields}}}""", 400);
        (error.GetProperty("param").GetString(), error.GetProperty("code").GetString()).Should().Be((field, code));
    }
}
