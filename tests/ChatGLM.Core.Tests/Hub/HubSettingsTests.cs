using ChatGLM.Core.Tests.Models;
using ChatGLM.Hub;

namespace ChatGLM.Core.Tests.Hub;

public sealed class HubSettingsTests
{
    private static string Home => Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    [Fact]
    public void The_cache_is_where_python_keeps_it()
    {
        Read().CacheDir.Should().Be(Path.Combine(Home, ".cache", "huggingface", "hub"));
        Read(("XDG_CACHE_HOME", "/x")).CacheDir.Should().Be(Path.Combine("/x", "huggingface", "hub"));
        Read(("HF_HOME", "/h"), ("XDG_CACHE_HOME", "/x")).CacheDir.Should().Be(Path.Combine("/h", "hub"));
        Read(("HF_HUB_CACHE", "/c"), ("HF_HOME", "/h")).CacheDir.Should().Be("/c");
        Read(new HubOptions { CacheDir = "/o" }, ("HF_HUB_CACHE", "/c")).CacheDir.Should().Be("/o");
        Read(new HubOptions { Source = HubSource.ModelScope }, ("HF_HOME", "/h"), ("MODELSCOPE_CACHE", "/m")).CacheDir.Should().Be("/m");
    }

    [Fact]
    public void The_endpoint_can_be_a_mirror()
    {
        Read().Endpoint().Should().Be(new Uri("https://huggingface.co/"));
        Read(("HF_ENDPOINT", "https://mirror.example/hf")).Endpoint().Should().Be(new Uri("https://mirror.example/hf/"));
        Read(new HubOptions { Endpoint = "http://localhost:1" }, ("HF_ENDPOINT", "https://m")).Endpoint().Should().Be(new Uri("http://localhost:1/"));
        Read(new HubOptions { Source = HubSource.ModelScope }, ("MODELSCOPE_ENDPOINT", "www.modelscope.ai")).Endpoint().Should().Be(new Uri("https://www.modelscope.ai/"));
        FluentActions.Invoking(() => Read(("HF_ENDPOINT", "mirror")).Endpoint()).Should().Throw<HubProtocolException>().WithMessage("*mirror*HF_ENDPOINT*");
        FluentActions.Invoking(() => Read(("HF_ENDPOINT", "file:///etc")).Endpoint()).Should().Throw<HubProtocolException>();
    }

    [Fact]
    public void The_token_comes_from_options_variables_or_the_login_file()
    {
        using var home = new TemporaryFolder();
        File.WriteAllText(home["token"], "from_file\n");
        Read(("HF_HOME", home.Path)).Token().Should().Be("from_file");
        Read(("HF_HOME", home.Path), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")).Token().Should().BeNull();
        Read(("HF_HOME", home.Path), ("HF_TOKEN", "from_variable")).Token().Should().Be("from_variable");
        Read(new HubOptions { Token = "given" }, ("HF_TOKEN", "from_variable")).Token().Should().Be("given");
        Read(new HubOptions { Token = "" }, ("HF_TOKEN", "from_variable")).Token().Should().BeNull();
        Read(new HubOptions { Source = HubSource.ModelScope }, ("HF_TOKEN", "from_variable")).Token().Should().BeNull("it is another hub's");
        FluentActions.Invoking(() => Read(("HF_TOKEN", "a\r\nHost: evil")).Token()).Should().Throw<HubAccessDeniedException>();
    }

    [Theory]
    [InlineData("1", true)]
    [InlineData("true", true)]
    [InlineData("0", false)]
    public void Offline_can_be_said_for_all(string value, bool expected)
    {
        Read(("HF_HUB_OFFLINE", value)).IsOffline.Should().Be(expected);
        Read(new HubOptions { LocalFilesOnly = true }).IsOffline.Should().BeTrue();
    }

    [Fact]
    public async Task Offline_asks_nobody()
    {
        using var setup = new HubSetup();
        setup.Variables["HF_HUB_OFFLINE"] = "1";
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubOfflineException>().WithMessage("*HF_HUB_OFFLINE*");
        setup.Hub.Requests.Should().BeEmpty();
        setup.Variables.Clear();
        var folder = await setup.DownloadAsync();
        setup.Hub.Requests.Clear();
        setup.Variables["HF_HUB_OFFLINE"] = "1";
        (await setup.DownloadAsync()).Should().Be(folder);
        setup.Hub.Requests.Should().BeEmpty();
    }

    private static HubSettings Read(params (string Name, string Value)[] variables) => Read(new HubOptions(), variables);

    private static HubSettings Read(HubOptions options, params (string Name, string Value)[] variables) =>
        new(options with { Environment = name => variables.FirstOrDefault(v => v.Name == name).Value });
}
