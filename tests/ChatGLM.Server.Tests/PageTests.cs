using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary>The page's files; what it does in a browser is tried by samples/Server/e2e.</summary>
public sealed partial class PageTests(DemoServer demo) : IClassFixture<DemoServer>
{
    private readonly RunningServer _server = demo.Server;

    [Fact]
    public async Task Every_file_that_the_page_names_is_there_and_none_is_elsewhere()
    {
        var seen = new HashSet<string>();
        var left = new Stack<string>(["/"]);
        while (left.TryPop(out var path))
        {
            if (!seen.Add(path))
                continue;
            using var response = await _server.Http.GetAsync(new Uri(path, UriKind.Relative));
            response.StatusCode.Should().Be(HttpStatusCode.OK, path);
            response.Headers.GetValues("Content-Security-Policy").Single().Should().Contain("default-src 'none'").And.NotContain("unsafe").And.NotContain("http");
            response.Headers.GetValues("X-Content-Type-Options").Should().Equal("nosniff");
            var text = await response.Content.ReadAsStringAsync();
            foreach (Match name in References().Matches(text))
                left.Push("/" + name.Groups[1].Value.Replace("./", "", StringComparison.Ordinal));
        }

        seen.Should().BeEquivalentTo("/", "/icon.svg", "/app.css", "/theme.js", "/app.js", "/api.js", "/i18n.js", "/markdown.js", "/store.js");
    }

    [Fact]
    public async Task Nothing_of_the_page_stands_in_the_way_of_its_policy()
    {
        var html = await _server.Http.GetStringAsync(new Uri("/", UriKind.Relative));
        html.Should().NotMatchRegex("<script(?![^>]*src=)").And.NotContain("<style").And.NotMatchRegex("\\sstyle=").And.NotMatchRegex("\\son[a-z]+=").And.NotContain("javascript:");
        foreach (var file in new[] { "app.js", "markdown.js", "i18n.js", "api.js", "store.js", "theme.js" })
        {
            var script = await _server.Http.GetStringAsync(new Uri("/" + file, UriKind.Relative));
            script.Should().NotContain("innerHTML").And.NotContain("outerHTML").And.NotContain("insertAdjacentHTML").And.NotContain("document.write").And.NotContain("eval(").And.NotContain("new Function");
        }
    }

    [Fact]
    public async Task Both_languages_say_the_same_things()
    {
        var script = await _server.Http.GetStringAsync(new Uri("/i18n.js", UriKind.Relative));
        var at = script.IndexOf("  zh: {", StringComparison.Ordinal);
        string[] Keys(string part) => [.. KeyNames().Matches(part).Select(m => m.Groups[1].Value).Order(StringComparer.Ordinal)];
        var english = Keys(script[script.IndexOf("  en: {", StringComparison.Ordinal)..at]);
        Keys(script[at..script.IndexOf("let language", StringComparison.Ordinal)]).Should().Equal(english).And.HaveCountGreaterThan(40);
        var html = await _server.Http.GetStringAsync(new Uri("/", UriKind.Relative));
        TextNames().Matches(html).Select(m => m.Groups[1].Value).Should().BeSubsetOf(english);
    }

    [Fact]
    public async Task A_file_that_has_not_changed_is_not_sent_again()
    {
        using var first = await _server.Http.GetAsync(new Uri("/app.js", UriKind.Relative));
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/app.js", UriKind.Relative));
        request.Headers.IfNoneMatch.Add(new EntityTagHeaderValue(first.Headers.ETag!.Tag));
        using var second = await _server.Http.SendAsync(request);
        second.StatusCode.Should().Be(HttpStatusCode.NotModified);
        using var head = await _server.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, new Uri("/app.js", UriKind.Relative)));
        head.Content.Headers.ContentLength.Should().Be(first.Content.Headers.ContentLength);
    }

    [Theory]
    [InlineData("/../ChatGLM.Server.dll")]
    [InlineData("/..%2f..%2fetc%2fpasswd")]
    [InlineData("/%2e%2e/Snapshot/config.json")]
    [InlineData("/Snapshot/config.json")]
    [InlineData("/Page/app.js")]
    [InlineData("/APP.JS/../app.css%00")]
    public async Task No_path_leads_to_a_file_system(string path)
    {
        // Uri would tidy the path up: it is written as it is.
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(_server.Http.BaseAddress!.Host, _server.Http.BaseAddress.Port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(stream);
        (await reader.ReadLineAsync()).Should().MatchRegex("^HTTP/1.1 40[04] ");
    }

    [GeneratedRegex("(?:src=|href=|from )['\"](?!#)([^'\"]+)['\"]")]
    private static partial Regex References();

    [GeneratedRegex(@"(?<=[{,]\s*)(\w+):")]
    private static partial Regex KeyNames();

    [GeneratedRegex("data-i18n(?:-\\w+)?=\"(\\w+)\"")]
    private static partial Regex TextNames();
}
