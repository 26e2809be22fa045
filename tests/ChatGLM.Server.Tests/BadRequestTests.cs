using System.Net;
using System.Text;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary>Requests that cannot be answered: each is told what is wrong, and the server works on.</summary>
public sealed class BadRequestTests(DemoServer demo) : IClassFixture<DemoServer>
{
    private const string Path = "/v1/chat/completions";

    private readonly RunningServer _server = demo.Server;

    [Theory]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}]}""", "model", "missing_required_parameter")]
    [InlineData("""{"model": 1, "messages": [{"role": "user", "content": "x"}]}""", "model", "invalid_value")]
    [InlineData("""{"model": "chatglm-demo"}""", "messages", "missing_required_parameter")]
    [InlineData("""{"model": "chatglm-demo", "messages": []}""", "messages", "invalid_value")]
    [InlineData("""{"model": "chatglm-demo", "messages": "x"}""", "messages", "invalid_value")]
    [InlineData("""{"model": "chatglm-demo", "messages": ["x"]}""", "messages[0]", "invalid_value")]
    [InlineData("""{"model": "chatglm-demo", "messages": [{"content": "x"}]}""", "messages[0].role", "missing_required_parameter")]
    [InlineData("""{"model": "chatglm-demo", "messages": [{"role": "wizard", "content": "x"}]}""", "messages[0].role", "invalid_value")]
    [InlineData("""{"model": "chatglm-demo", "messages": [{"role": "user"}]}""", "messages[0].content", "missing_required_parameter")]
    [InlineData("""{"model": "chatglm-demo", "messages": [{"role": "user", "content": 5}]}""", "messages[0].content", "invalid_value")]
    [InlineData("""{"model": "chatglm-demo", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]}""", "messages[0].content[0].type", "unsupported_value")]
    [InlineData("""{"model": "chatglm-demo", "messages": [{"role": "user", "content": "\ud800"}]}""", "messages[0].content", "invalid_unicode")]
    [InlineData("""{"model": "chatglm-demo", "\ud800": 1}""", null, "invalid_unicode")]
    [InlineData("""{"model": "chatglm-demo", "messages": [{"role": "assistant", "content": "x"}]}""", "messages", "invalid_value")]
    [InlineData("""{"model": "chatglm-demo", "messages": [{"role": "tool", "content": "x", "tool_call_id": "a"}]}""", "messages[0].tool_call_id", "invalid_value")]
    [InlineData("""[1, 2]""", null, "invalid_value")]
    [InlineData("""{"model": "chatglm-demo", "model": "x"}""", null, "invalid_json")]
    [InlineData("""{"model": "chatglm-demo", """, null, "invalid_json")]
    [InlineData("", null, "invalid_json")]
    public async Task A_request_that_is_wrong_is_told_where(string body, string? field, string code) => await CheckAsync(body, field, code);

    [Theory]
    [InlineData("\"temperature\": -0.1", "temperature", "invalid_value")]
    [InlineData("\"temperature\": 2.1", "temperature", "invalid_value")]
    [InlineData("\"temperature\": 1e40", "temperature", "invalid_value")]
    [InlineData("\"temperature\": \"hot\"", "temperature", "invalid_value")]
    [InlineData("\"top_p\": 1.5", "top_p", "invalid_value")]
    [InlineData("\"max_tokens\": 0", "max_tokens", "invalid_value")]
    [InlineData("\"max_tokens\": 1.5", "max_tokens", "invalid_value")]
    [InlineData("\"max_tokens\": 99999999999", "max_tokens", "invalid_value")]
    [InlineData("\"max_tokens\": 5, \"max_completion_tokens\": 6", "max_tokens", "invalid_value")]
    [InlineData("\"seed\": 1.5", "seed", "invalid_value")]
    [InlineData("\"n\": 2", "n", "unsupported_parameter")]
    [InlineData("\"stop\": \"\"", "stop", "invalid_value")]
    [InlineData("\"stop\": [1]", "stop[0]", "invalid_value")]
    [InlineData("\"stop\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]", "stop", "too_many_elements")]
    [InlineData("\"stream\": \"yes\"", "stream", "invalid_value")]
    [InlineData("\"stream_options\": {\"include_usage\": true}", "stream_options", "invalid_value")]
    [InlineData("\"stream\": true, \"stream_options\": {\"include_everything\": true}", "stream_options.include_everything", "unknown_parameter")]
    [InlineData("\"logprobs\": true", "logprobs", "unsupported_parameter")]
    [InlineData("\"logit_bias\": {\"5\": 1}", "logit_bias", "unsupported_parameter")]
    [InlineData("\"response_format\": {\"type\": \"json_object\"}", "response_format", "unsupported_parameter")]
    [InlineData("\"functions\": []", "functions", "unsupported_parameter")]
    [InlineData("\"temprature\": 1", "temprature", "unknown_parameter")]
    [InlineData("\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]", "tools", "unsupported_value")]
    [InlineData("\"tools\": [{\"type\": \"search\"}]", "tools[0].type", "invalid_value")]
    [InlineData("\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": []}}]", "tools[0].function.parameters", "invalid_value")]
    [InlineData("\"tool_choice\": \"auto\"", "tool_choice", "invalid_value")]
    public async Task An_option_that_cannot_be_kept_is_refused_by_name(string option, string field, string code) => await CheckAsync(Question("x", option), field, code);

    [Fact]
    public async Task A_model_that_is_not_there_is_404()
    {
        var error = await _server.RefusedAsync(Path, Question("x", model: "gpt-4"), 404);
        error.GetProperty("code").GetString().Should().Be("model_not_found");
        error.GetProperty("message").GetString().Should().Contain("'gpt-4'");
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/jsonp")]
    public async Task A_body_that_another_sites_page_could_send_unasked_is_refused(string contentType) =>
        (await _server.RefusedAsync(Path, Question("x"), 415, contentType)).GetProperty("code").GetString().Should().Be("unsupported_media_type");

    [Fact]
    public async Task A_prompt_that_the_model_has_no_room_for_says_how_long_it_may_be()
    {
        foreach (var stream in new[] { "false", "true" })
        {
            var error = await _server.RefusedAsync(Path, Question(string.Concat(Enumerable.Repeat("你好 ", 2000)), $"\"stream\": {stream}"), 400);
            error.GetProperty("code").GetString().Should().Be("context_length_exceeded");
            error.GetProperty("message").GetString().Should().Contain("1024");
        }
    }

    [Fact]
    public async Task Nesting_is_bounded()
    {
        var deep = new StringBuilder().Insert(0, "{\"a\":", 5000).Append('1').Append('}', 5000).ToString();
        (await _server.RefusedAsync(Path, Question("x", $"\"tools\": [{deep}]"), 400)).GetProperty("code").GetString().Should().Be("invalid_json");
    }

    [Fact]
    public async Task Paths_and_methods_that_are_not_there_are_errors_of_the_same_form()
    {
        using var unknown = await _server.Http.GetAsync(new Uri("/v1/nothing", UriKind.Relative));
        (await ErrorAsync(unknown, 404)).GetProperty("code").GetString().Should().Be("not_found");
        using var method = await _server.Http.GetAsync(new Uri(Path, UriKind.Relative));
        (await ErrorAsync(method, 405)).GetProperty("code").GetString().Should().Be("method_not_allowed");
        method.Content.Headers.Allow.Should().Equal("POST");
    }

    [Fact]
    public async Task Size_and_counts_are_bounded()
    {
        await using var server = await StartAsync(s => (s["Server:MaxRequestBytes"], s["Server:MaxMessages"], s["Server:MaxTools"], s["Server:MaxInputs"], s["Server:MaxOutputTokens"]) = ("4096", "3", "1", "2", "5"));
        (await server.RefusedAsync(Path, Question(new string('x', 5000)), 413)).GetProperty("code").GetString().Should().Be("request_too_large");
        // The same without a length said before.
        using var chunked = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent(Question(new string('x', 20_000))) };
        chunked.Headers.TransferEncodingChunked = true;
        chunked.Content.Headers.ContentType = new("application/json");
        using var response = await server.Http.SendAsync(chunked);
        await ErrorAsync(response, (int)HttpStatusCode.RequestEntityTooLarge);

        var message = """{"role": "user", "content": "x"}""";
        var error = await server.RefusedAsync(Path, $$"""{"model": "chatglm-demo", "messages": [{{string.Join(',', Enumerable.Repeat(message, 4))}}]}""", 400);
        error.GetProperty("param").GetString().Should().Be("messages");
        error.GetProperty("code").GetString().Should().Be("too_many_elements");
        var tool = """{"type": "function", "function": {"name": "f"}}""";
        (await server.RefusedAsync(Path, Question("x", $"\"tools\": [{tool}, {tool}]"), 400)).GetProperty("param").GetString().Should().Be("tools");
        (await server.RefusedAsync("/v1/embeddings", """{"model": "chatglm-demo", "input": ["a", "b", "c"]}""", 400)).GetProperty("param").GetString().Should().Be("input");
        (await server.RefusedAsync(Path, Question("x", "\"max_tokens\": 6"), 400)).GetProperty("message").GetString().Should().Contain("from 1 to 5");
        var answer = await server.AskAsync(Path, Question("What is the capital of France?", "\"temperature\": 0"));
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().Should().Be(5, "who does not say gets what is allowed");
    }

    private async Task CheckAsync(string body, string? field, string code)
    {
        var error = await _server.RefusedAsync(Path, body, 400);
        error.GetProperty("type").GetString().Should().Be("invalid_request_error");
        (error.GetProperty("param").GetString(), error.GetProperty("code").GetString()).Should().Be((field, code), "{0}", error.GetProperty("message"));
    }
}
