using System.Text.Json.Nodes;
using ChatGLM.Core.Tests.Hub;

namespace ChatGLM.Tool.Tests;

public sealed class DownloadTests : IDisposable
{
    private readonly ToolRun _tool = new();
    private readonly TestHub _hub = new();

    public DownloadTests() => _hub.Repositories["org/demo"] = TestRepository.FromFolder(ToolRun.Demo);

    public void Dispose()
    {
        _hub.Dispose();
        _tool.Dispose();
    }

    private string[] From => ["--endpoint", _hub.Endpoint, "--cache-dir", _tool.PathOf("cache")];

    [Fact]
    public async Task The_folder_is_printed_and_works()
    {
        (await _tool.RunAsync(["download", "org/demo", .. From])).Should().Be(0, "{0}", _tool.Error);
        var folder = _tool.Output.TrimEnd('\n');
        Directory.GetFiles(folder).Select(Path.GetFileName).Should().Contain(["config.json", "model.safetensors", "tokenizer.model"]);
        var asked = _hub.Downloads.Count();
        (await _tool.RunAsync(["chat", "-m", "org/demo", "-p", "What is the capital of France?", "--greedy", .. From])).Should().Be(0, "{0}", _tool.Error);
        _tool.Output.Should().Be("The capital of France is Paris.\n");
        _hub.Downloads.Count().Should().Be(asked, "the cache has it");
        (await _tool.RunAsync(["info", "org/demo", "--json", .. From])).Should().Be(0);
        _tool.Json["folder"]!.GetValue<string>().Should().Be(folder);
        (await _tool.RunAsync(["download", "org/demo", "--offline", .. From])).Should().Be(0);
        _tool.Output.Should().Be(folder + "\n");
    }

    [Fact]
    public async Task Programs_are_told_of_progress()
    {
        _hub.BytesPerSecond = 4_000_000;
        (await _tool.RunAsync(["download", "org/demo", "--json", .. From])).Should().Be(0, "{0}", _tool.Error);
        _tool.Json["bytes"]!.GetValue<long>().Should().BeGreaterThan(6_900_000);
        var progress = _tool.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).ToList();
        progress.Should().HaveCountGreaterThan(2).And.OnlyContain(line => line["phase"]!.GetValue<string>() == "downloading");
        progress.Should().Contain(line => line["per_second"] != null && line["per_second"]!.GetValue<double>() > 0);
        (await _tool.RunAsync(["download", "org/demo", "--quiet", "--parts", "config", .. From])).Should().Be(0);
        _tool.Error.Should().BeEmpty();
    }

    [Fact]
    public async Task What_info_needs_is_small()
    {
        (await _tool.RunAsync(["info", "org/demo", "--json", .. From])).Should().Be(0, "{0}", _tool.Error);
        _hub.Downloads.Should().NotContain(request => request.IsStore && request.Target.Contains(TestRepository.Sha256Of(_hub.Repositories["org/demo"].Files["model.safetensors"])));
        _tool.Json["parameters"]!.GetValue<long>().Should().Be(3_469_632, "the configuration tells it");
        _tool.Json["weights"].Should().BeNull();
    }

    [Fact]
    public async Task Adapters_come_from_the_hub_too()
    {
        RandomAdapter.Save(_tool.PathOf("adapter"), 1);
        _hub.Repositories["org/adapter"] = TestRepository.FromFolder(_tool.PathOf("adapter"));
        (await _tool.RunAsync(["info", "org/adapter", "--json", .. From])).Should().Be(0, "{0}", _tool.Error);
        _tool.Json["peft_type"]!.GetValue<string>().Should().Be("Lora");
        (await _tool.RunAsync(["chat", "-a", "org/adapter", "-p", "早", "--greedy", "-n", "4", .. From])).Should().Be(0, "{0}", _tool.Error);
        (await _tool.RunAsync(["download", "org/adapter", "--parts", "adapter", .. From])).Should().Be(0, "{0}", _tool.Error);
        File.Exists(Path.Combine(_tool.Output.Trim(), "adapter_model.safetensors")).Should().BeTrue();
    }

    [Fact]
    public async Task What_goes_wrong_is_said()
    {
        (await _tool.RunAsync(["download", "org/nothing", .. From])).Should().Be(1);
        _tool.Error.Should().Contain("org/nothing").And.NotContain("   at ");
        (await _tool.RunAsync(["download", "org/demo", "--revision", "nowhere", .. From])).Should().Be(1);
        _tool.Error.Should().Contain("nowhere");
        (await _tool.RunAsync(["download", "org/other", "--offline", .. From])).Should().Be(1);
        _tool.Error.Should().Contain("org/other");
        _tool.Output.Should().BeEmpty();
    }

    [Fact]
    public async Task Ctrl_C_keeps_what_has_arrived()
    {
        _hub.BytesPerSecond = 3_000_000;
        _tool.Watch = (console, inner) => new PressingWriter(inner, "\"done\":", () => Task.Delay(500).ContinueWith(_ => console.Interruption.Press()));
        (await _tool.RunAsync(["download", "org/demo", "--json", .. From])).Should().Be(130, "{0}", _tool.Error);
        Directory.GetFiles(_tool.PathOf("cache"), "*.incomplete", SearchOption.AllDirectories).Should().NotBeEmpty();
        _tool.Watch = null;
        _hub.BytesPerSecond = 0;
        (await _tool.RunAsync(["download", "org/demo", .. From])).Should().Be(0, "{0}", _tool.Error);
        File.ReadAllBytes(Path.Combine(_tool.Output.Trim(), "model.safetensors")).Should().Equal(_hub.Repositories["org/demo"].Files["model.safetensors"]);
        _hub.Downloads.Should().Contain(request => request.From > 0, "it went on where it had stopped");
    }
}
