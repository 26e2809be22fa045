using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using ChatGLM.Extensions.AI;
using ChatGLM.Samples.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ChatGLM.Server.Tests;

/// <summary>A real server on a free port of the loopback, with the small model unless a test says otherwise.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    public const string Demo = "chatglm-demo";

    private RunningServer(WebApplication app)
    {
        App = app;
        Http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()), Timeout = TimeSpan.FromSeconds(60) };
    }

    public WebApplication App { get; }

    public HttpClient Http { get; }

    public SharedModel Model => App.Services.GetRequiredService<SharedModel>();

    public static async Task<RunningServer> StartAsync(Action<Dictionary<string, string?>>? settings = null, Action<IServiceCollection>? configure = null)
    {
        var values = new Dictionary<string, string?> { ["Server:Port"] = "0" };
        settings?.Invoke(values);
        var app = ServerApplication.Create(new ServerSettings(values), services =>
        {
            services.AddLogging(logging => logging.ClearProviders());
            configure?.Invoke(services);
        });
        await app.StartAsync();
        return new RunningServer(app);
    }

    public Task<HttpResponseMessage> SendAsync(string path, string json, string contentType = "application/json", HttpCompletionOption until = HttpCompletionOption.ResponseContentRead, CancellationToken cancellationToken = default)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(json));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        return Http.SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = content }, until, cancellationToken);
    }

    /// <summary>Asks, expects success, and gives the body.</summary>
    public async Task<JsonElement> AskAsync(string path, string json)
    {
        using var response = await SendAsync(path, json);
        var body = await response.Content.ReadAsStringAsync();
        ((int)response.StatusCode).Should().Be(200, "{0}", body);
        response.Content.Headers.ContentType!.ToString().Should().Be("application/json; charset=utf-8");
        return Parse(body);
    }

    /// <summary>Asks, expects an error in OpenAI's form, and gives it.</summary>
    public async Task<JsonElement> RefusedAsync(string path, string json, int status, string contentType = "application/json")
    {
        using var response = await SendAsync(path, json, contentType);
        return await ErrorAsync(response, status);
    }

    /// <summary>The error of a response.</summary>
    public static async Task<JsonElement> ErrorAsync(HttpResponseMessage response, int status)
    {
        var body = await response.Content.ReadAsStringAsync();
        ((int)response.StatusCode).Should().Be(status, "{0}", body);
        response.Headers.Contains("x-request-id").Should().BeTrue();
        var error = Parse(body).GetProperty("error");
        error.EnumerateObject().Select(p => p.Name).Should().Equal("message", "type", "param", "code");
        error.GetProperty("message").GetString().Should().NotBeNullOrWhiteSpace().And.NotContain("Exception").And.NotContain(" at ChatGLM.");
        return error;
    }

    /// <summary>Asks for a stream and gives its events; "[DONE]" is not among them, but must be the last.</summary>
    public async Task<List<JsonElement>> StreamAsync(string path, string json)
    {
        using var response = await SendAsync(path, json);
        var body = await response.Content.ReadAsStringAsync();
        ((int)response.StatusCode).Should().Be(200, "{0}", body);
        response.Content.Headers.ContentType!.ToString().Should().Be("text/event-stream; charset=utf-8");
        var events = Events(body);
        events[^1].Should().Be("[DONE]");
        return [.. events.SkipLast(1).Select(Parse)];
    }

    /// <summary>The data of each event of a stream, whose framing is checked to the letter.</summary>
    public static List<string> Events(string body)
    {
        body.Should().EndWith("\n\n").And.NotContain("\r");
        var events = body[..^2].Split("\n\n").Where(e => e != ": keep-alive").ToList();
        events.Should().OnlyContain(e => e.StartsWith("data: ", StringComparison.Ordinal) && !e.Contains('\n'));
        return [.. events.Select(e => e[6..])];
    }

    public static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    public static string Question(string question, string more = "", string model = Demo) =>
        $$"""{"model": {{JsonSerializer.Serialize(model)}}, "messages": [{"role": "user", "content": {{JsonSerializer.Serialize(question)}}}]{{(more.Length > 0 ? ", " + more : "")}}}""";

    public static string TextOf(JsonElement response) => response.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await App.DisposeAsync();
    }
}
