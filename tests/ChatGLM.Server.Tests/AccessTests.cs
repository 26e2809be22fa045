using System.Net;
using System.Net.Http.Headers;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary>Who may ask.</summary>
public sealed class AccessTests
{
    private const string Key = "sk-0123456789";

    [Fact]
    public async Task Without_the_key_nothing_is_answered_but_health_and_the_page()
    {
        await using var server = await StartAsync(s => s["Server:ApiKey"] = Key);
        foreach (var (header, word) in new (string?, string)[] { (null, "no key"), ("Basic " + Key, "no key"), ("Bearer", "no key"), ("Bearer sk-012345678", "not the one"), ("Bearer sk-01234567890", "not the one"), ("Bearer SK-0123456789", "not the one") })
        {
            foreach (var path in new[] { "/v1/models", "/metrics", "/v1/models/chatglm-demo" })
            {
                using var response = await GetAsync(server, path, header);
                var error = await ErrorAsync(response, 401);
                error.GetProperty("code").GetString().Should().Be("invalid_api_key");
                error.GetProperty("message").GetString().Should().Contain(word).And.NotContain(Key);
                response.Headers.WwwAuthenticate.Should().ContainSingle(h => h.Scheme == "Bearer");
            }
        }

        foreach (var path in new[] { "/v1/chat/completions", "/v1/completions", "/v1/embeddings" })
            await server.RefusedAsync(path, "not even JSON", 401);
        foreach (var path in new[] { "/health", "/" })
        {
            using var open = await GetAsync(server, path, null);
            open.StatusCode.Should().Be(HttpStatusCode.OK);
        }

        foreach (var header in new[] { "Bearer " + Key, "bearer " + Key })
        {
            using var models = await GetAsync(server, "/v1/models", header);
            models.StatusCode.Should().Be(HttpStatusCode.OK);
        }

        server.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
        TextOf(await server.AskAsync("/v1/chat/completions", Question("你好", "\"max_tokens\": 3"))).Should().NotBeNull();
    }

    [Theory]
    [InlineData("localhost", 200)]
    [InlineData("127.0.0.1", 200)]
    [InlineData("evil.example", 400)]
    public async Task On_the_loopback_only_this_machines_names_are_answered_to(string host, int status)
    {
        await using var server = await StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/v1/models", UriKind.Relative));
        request.Headers.Host = host;
        using var response = await server.Http.SendAsync(request);
        ((int)response.StatusCode).Should().Be(status, "a page of another site whose name points here brings that name");
    }

    [Fact]
    public async Task Pages_of_other_sites_are_given_no_leave_to_read()
    {
        await using var server = await StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Options, new Uri("/v1/chat/completions", UriKind.Relative));
        request.Headers.Add("Origin", "https://evil.example");
        request.Headers.Add("Access-Control-Request-Method", "POST");
        using var response = await server.Http.SendAsync(request);
        response.Headers.Contains("Access-Control-Allow-Origin").Should().BeFalse();
        response.IsSuccessStatusCode.Should().BeFalse();
    }

    private static Task<HttpResponseMessage> GetAsync(RunningServer server, string path, string? authorization)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(path, UriKind.Relative));
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return server.Http.SendAsync(request);
    }
}
