using System.Text.Json;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary><c>/v1/chat/completions</c> with the small model.</summary>
public sealed class ChatTests(DemoServer demo) : IClassFixture<DemoServer>
{
    private const string Path = "/v1/chat/completions";

    private readonly RunningServer _server = demo.Server;

    [Fact]
    public async Task An_answer_has_openais_form()
    {
        var response = await _server.AskAsync(Path, Question("你好", "\"temperature\": 0"));
        response.GetProperty("id").GetString().Should().StartWith("chatcmpl-");
        response.GetProperty("object").GetString().Should().Be("chat.completion");
        response.GetProperty("model").GetString().Should().Be(Demo);
        DateTimeOffset.FromUnixTimeSeconds(response.GetProperty("created").GetInt64()).Should().BeCloseTo(DateTimeOffset.UtcNow, TimeSpan.FromMinutes(1));
        var choice = response.GetProperty("choices").EnumerateArray().Should().ContainSingle().Which;
        choice.GetProperty("index").GetInt32().Should().Be(0);
        choice.GetProperty("finish_reason").GetString().Should().Be("stop");
        choice.GetProperty("message").GetProperty("role").GetString().Should().Be("assistant");
        choice.GetProperty("message").TryGetProperty("tool_calls", out _).Should().BeFalse();
        TextOf(response).Should().NotBeNullOrWhiteSpace();
        var usage = response.GetProperty("usage");
        var (prompt, completion) = (usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("completion_tokens").GetInt32());
        prompt.Should().BeGreaterThan(2);
        completion.Should().BeGreaterThan(1);
        usage.GetProperty("total_tokens").GetInt32().Should().Be(prompt + completion);
    }

    [Fact]
    public async Task The_length_is_kept_and_named()
    {
        foreach (var field in new[] { "max_tokens", "max_completion_tokens" })
        {
            var response = await _server.AskAsync(Path, Question("What is the capital of France?", $"\"temperature\": 0, \"{field}\": 2"));
            response.GetProperty("choices")[0].GetProperty("finish_reason").GetString().Should().Be("length");
            response.GetProperty("usage").GetProperty("completion_tokens").GetInt32().Should().Be(2);
        }
    }

    [Theory]
    [InlineData("\"{0}\"")]
    [InlineData("[\"nowhere\", \"{0}\"]")]
    public async Task A_stop_text_ends_the_answer_and_is_left_out(string form)
    {
        var whole = TextOf(await _server.AskAsync(Path, Question("What is the capital of France?", "\"temperature\": 0")));
        var stop = whole[(whole.Length / 2)..(whole.Length / 2 + 2)];
        var response = await _server.AskAsync(Path, Question("What is the capital of France?", $"\"temperature\": 0, \"stop\": {form.Replace("{0}", stop)}"));
        TextOf(response).Should().Be(whole[..whole.IndexOf(stop, StringComparison.Ordinal)].TrimEnd(), "white space around an answer is no part of it");
        response.GetProperty("choices")[0].GetProperty("finish_reason").GetString().Should().Be("stop");
    }

    [Fact]
    public async Task A_seed_means_an_answer_and_temperature_and_top_p_change_it()
    {
        async Task<string> Ask(int seed, string how) => TextOf(await _server.AskAsync(Path, Question("你是谁？", $"\"seed\": {seed}, \"max_tokens\": 12, {how}")));
        const string Wild = "\"temperature\": 2, \"top_p\": 1, \"top_k\": 0";
        var first = await Ask(1, Wild);
        (await Ask(1, Wild)).Should().Be(first);
        var others = new HashSet<string>();
        for (var seed = 2; seed < 8; seed++)
            others.Add(await Ask(seed, Wild));
        others.Count.Should().BeGreaterThan(1);
        var best = await Ask(1, "\"temperature\": 0");
        (await Ask(5, "\"temperature\": 2, \"top_p\": 0.000001")).Should().Be(best, "so small a mass holds only the likeliest token");
    }

    [Fact]
    public async Task A_conversation_in_all_its_forms_is_understood()
    {
        var response = await _server.AskAsync(Path, """
            {"model": "chatglm-demo", "temperature": 0, "max_tokens": 8, "user": "u", "n": 1, "store": false, "logprobs": false, "response_format": {"type": "text"}, "logit_bias": {}, "stop": null,
             "parallel_tool_calls": true, "stream": false,
             "messages": [{"role": "developer", "content": "Be short."}, {"role": "system", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]},
                          {"role": "user", "content": "Hello", "name": "Ann"}, {"role": "assistant", "content": "Hi!", "refusal": null}, {"role": "user", "content": [{"type": "text", "text": "你好"}]}]}
            """);
        TextOf(response).Should().NotBeNull();
    }

    [Fact]
    public async Task What_looks_like_a_special_token_stays_text()
    {
        async Task<int> Tokens(string text) => (await _server.AskAsync(Path, Question(text, "\"max_tokens\": 1"))).GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
        var plain = await Tokens("a");
        foreach (var special in new[] { "[gMASK]", "sop", "<|user|>", "<|assistant|>", "<|observation|>", "</s>", "<unk>" })
            ((await Tokens("a" + special + special)) - plain).Should().BeGreaterThan(2, "{0} twice is more than two ids", special);
    }

    [Fact]
    public async Task A_stream_is_the_answer_in_pieces()
    {
        const string How = "\"seed\": 3, \"max_tokens\": 40";
        var whole = await _server.AskAsync(Path, Question("你是谁？", How));
        var events = await _server.StreamAsync(Path, Question("你是谁？", How + ", \"stream\": true"));
        events.Should().OnlyContain(e => e.GetProperty("object").GetString() == "chat.completion.chunk" && e.GetProperty("model").GetString() == Demo);
        events.Select(e => e.GetProperty("id").GetString()).Distinct().Should().ContainSingle().Which.Should().StartWith("chatcmpl-");
        events.Count(e => e.TryGetProperty("usage", out _)).Should().Be(0, "nobody asked for it");
        var choices = events.Select(e => e.GetProperty("choices").EnumerateArray().Single()).ToList();
        choices[0].GetProperty("delta").GetRawText().Should().Be("""{"role":"assistant","content":""}""");
        choices.SkipLast(1).Should().OnlyContain(c => c.GetProperty("finish_reason").ValueKind == JsonValueKind.Null);
        choices[^1].GetProperty("finish_reason").GetString().Should().Be(whole.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        choices[^1].GetProperty("delta").EnumerateObject().Should().BeEmpty();
        var texts = choices.Select(c => c.GetProperty("delta").TryGetProperty("content", out var text) ? text.GetString()! : "").ToList();
        string.Concat(texts).Should().Be(TextOf(whole));
        texts.Count(text => text.Length > 0).Should().BeGreaterThan(3);
    }

    [Fact]
    public async Task A_stream_ends_with_its_counts_where_it_is_asked_to()
    {
        var whole = await _server.AskAsync(Path, Question("Hello", "\"seed\": 3"));
        var events = await _server.StreamAsync(Path, Question("Hello", "\"seed\": 3, \"stream\": true, \"stream_options\": {\"include_usage\": true}"));
        events.SkipLast(1).Should().OnlyContain(e => e.GetProperty("usage").ValueKind == JsonValueKind.Null);
        events[^1].GetProperty("choices").EnumerateArray().Should().BeEmpty();
        JsonElement.DeepEquals(events[^1].GetProperty("usage"), whole.GetProperty("usage")).Should().BeTrue();
    }

    [Fact]
    public async Task A_conversation_that_goes_on_reads_only_what_is_new()
    {
        await using var server = await StartAsync();
        var first = TextOf(await server.AskAsync(Path, Question("你好", "\"temperature\": 0")));
        var next = await server.AskAsync(Path, $$"""
            {"model": "chatglm-demo", "temperature": 0, "max_tokens": 4,
             "messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": {{JsonSerializer.Serialize(first)}}}, {"role": "user", "content": "你是谁？"}]}
            """);
        next.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32().Should().BePositive();
    }
}
