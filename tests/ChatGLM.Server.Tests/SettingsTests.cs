using System.CommandLine;
using ChatGLM.Samples.Server;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary>Flags, files and the errors in them.</summary>
public sealed class SettingsTests
{
    [Theory]
    [InlineData("Server:Port", "70000", "*Server:Port*70000*65535*")]
    [InlineData("Server:Port", "many", "*Server:Port*")]
    [InlineData("Server:Prot", "80", "*Prot*")]
    [InlineData("Server:Host", "example.org", "*Server:Host*example.org*IP address*")]
    [InlineData("Server:Host", "0.0.0.0", "*other machines*AllowAnonymous*")]
    [InlineData("Server:ApiKey", "short", "*Server:ApiKey*8 characters*")]
    [InlineData("Server:RequestTimeoutSeconds", "0", "*RequestTimeoutSeconds*above 0*")]
    [InlineData("Server:MaxOutputTokens", "0", "*MaxOutputTokens*at least 1*")]
    public void A_setting_that_cannot_be_used_is_named(string key, string value, string message) =>
        FluentActions.Invoking(() => ServerApplication.Create(new ServerSettings(new Dictionary<string, string?> { [key] = value })))
            .Should().Throw<OptionsValidationException>().WithMessage(message).Where(e => !e.Message.Contains("short"));

    [Fact]
    public async Task A_mistyped_key_of_the_model_is_found_when_the_server_starts() =>
        await FluentActions.Awaiting(() => StartAsync(s => s["Model:Temprature"] = "1")).Should().ThrowAsync<OptionsValidationException>().WithMessage("*Temprature*");

    [Fact]
    public async Task Flags_go_before_the_file_and_what_neither_says_stays()
    {
        var folder = Directory.CreateTempSubdirectory("chatglm-test-").FullName;
        try
        {
            var file = Path.Combine(folder, "server.json");
            await File.WriteAllTextAsync(file, """{"Server": {"Port": 1234, "MaxMessages": 7, "Adapters": {"a": "x"}}, "Model": {"MaxQueueLength": 3}}""");
            var keyFile = Path.Combine(folder, "key");
            await File.WriteAllTextAsync(keyFile, "  sk-from-a-file \nsecond line");
            var settings = await ParseAsync("--config", file, "--port", "0", "--api-key-file", keyFile, "--adapter", "b=y=z", "-a", "c=w", "--host", "*", "--request-timeout-seconds", "1.5", "--allow-anonymous", "--log-json");
            settings.LogJson.Should().BeTrue();
            await using var app = ServerApplication.Create(settings);
            var options = app.Services.GetRequiredService<IOptions<ServerOptions>>().Value;
            options.Should().BeEquivalentTo(new ServerOptions
            {
                Port = 0, MaxMessages = 7, ApiKey = "sk-from-a-file", Host = "*", RequestTimeoutSeconds = 1.5, AllowAnonymous = true,
                Adapters = { ["a"] = "x", ["b"] = "y=z", ["c"] = "w" },
            });
            var model = app.Services.GetRequiredService<IOptions<Extensions.AI.ChatGLMOptions>>().Value;
            model.MaxQueueLength.Should().Be(3);
            model.Adapters.Should().Equal("a", "b", "c");
            model.Model.Should().Be(Samples.DemoSnapshot.Folder, "nobody named another");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("--adapter", "nofolder")]
    [InlineData("--adapter", "a:b=x")]
    [InlineData("--port", "eighty")]
    [InlineData("--config", "/nowhere/server.json")]
    [InlineData("--prot", "80")]
    public void A_flag_that_cannot_be_read_is_an_error(params string[] args) =>
        ServerCommandLine.Create((_, _) => Task.FromResult(0)).Parse(args).Errors.Should().NotBeEmpty();

    [Fact]
    public void Without_flags_only_this_machine_is_served() => new ServerOptions().Should().Match<ServerOptions>(o => o.IsLoopback && o.Host == "127.0.0.1" && o.ApiKey == null);

    private static async Task<ServerSettings> ParseAsync(params string[] args)
    {
        ServerSettings? settings = null;
        var parsed = ServerCommandLine.Create((s, _) =>
        {
            settings = s;
            return Task.FromResult(0);
        }).Parse(args);
        parsed.Errors.Should().BeEmpty();
        await parsed.InvokeAsync();
        return settings!;
    }
}
