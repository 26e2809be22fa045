using ChatGLM.Formats;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Tool.Tests;

/// <summary>The commands that write snapshots.</summary>
public sealed class SnapshotTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [Theory]
    [InlineData("quantize demo --bits 4", 3_100_000)]
    [InlineData("quantize demo --bits 4 --minimum --group-size 64 --head-bits 0", 4_000_000)]
    [InlineData("quantize demo --bits 8 --published", 4_700_000)]
    [InlineData("convert demo --dtype bfloat16", 7_000_000)]
    [InlineData("convert demo --dtype float32 --max-shard-size 5MB", 14_000_000)]
    public async Task What_is_written_is_a_model(string line, long mostBytes)
    {
        var folder = _tool.PathOf("new");
        (await _tool.RunAsync([.. line.Split(' '), "-o", folder])).Should().Be(0, "{0}", _tool.Error);
        _tool.Output.Should().Be(folder + "\n");
        _tool.Error.Should().MatchRegex("(Quantized|Converted) 6.9 MB of weights into .* MB in ");
        using (var checkpoint = Checkpoint.Open(folder))
            checkpoint.Entries.Values.Sum(entry => entry.LengthInBytes).Should().BeLessThan(mostBytes).And.BeGreaterThan(mostBytes * 8 / 10);
        (await _tool.RunAsync("chat", "-m", folder, "-p", "What is the capital of France?", "--greedy")).Should().Be(0, "{0}", _tool.Error);
        _tool.Output.Should().Be("The capital of France is Paris.\n");
        (await _tool.RunAsync([.. line.Split(' '), "-o", folder])).Should().Be(1, "the folder is taken");
        _tool.Error.Should().Contain("not overwritten");
    }

    [Fact]
    public async Task Programs_are_told_of_progress_and_result()
    {
        (await _tool.RunAsync("convert", "demo", "-o", _tool.PathOf("new"), "--json")).Should().Be(0);
        _tool.Json["folder"]!.GetValue<string>().Should().Be(_tool.PathOf("new"));
        _tool.Json["written_bytes"]!.GetValue<long>().Should().Be(6_939_264);
        var last = System.Text.Json.Nodes.JsonNode.Parse(_tool.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1])!;
        last["event"]!.GetValue<string>().Should().Be("progress");
        last["done"]!.GetValue<long>().Should().Be(last["total"]!.GetValue<long>());
    }

    [Fact]
    public async Task Ctrl_C_leaves_nothing_of_a_snapshot()
    {
        _tool.Watch = (console, inner) => new PressingWriter(inner, "\"progress\"", () => console.Interruption.Press());
        (await _tool.RunAsync("quantize", "demo", "-o", _tool.PathOf("new"), "--json")).Should().Be(130);
        Directory.Exists(_tool.PathOf("new")).Should().BeFalse();
        Directory.GetFileSystemEntries(_tool.Folder).Should().BeEmpty();
        _tool.Output.Should().BeEmpty();
    }

    [Fact]
    public async Task A_merged_model_says_what_the_adapted_one_says()
    {
        var (first, second) = (_tool.PathOf("first"), _tool.PathOf("second"));
        RandomAdapter.Save(first, 1);
        RandomAdapter.Save(second, 2);
        string expected;
        using (var model = AutoModel.FromPretrained(ToolRun.Demo, new ModelOptions { Dtype = DType.Float32 }))
        {
            using var peft = PeftModel.FromPretrained(model, first);
            peft.LoadAdapter(second, "second");
            peft.SetAdapter("default", "second");
            expected = peft.Generate(AutoTokenizer.FromPretrained(ToolRun.Demo), "早", model.GenerationConfig with { MaxNewTokens = 24 }).Text;
        }

        (await _tool.RunAsync("merge", "-a", first, "-a", second, "--dtype", "float32", "-o", _tool.PathOf("new"))).Should().Be(0, "{0}", _tool.Error);
        _tool.Output.Should().Be(_tool.PathOf("new") + "\n");
        _tool.Error.Should().Contain($"Merged the Lora adapter from {first}.").And.Contain("Saved 13.9 MB");
        (await _tool.RunAsync("generate", "早", "-m", _tool.PathOf("new"), "--greedy", "-n", "24")).Should().Be(0);
        _tool.Output.Should().Be(expected + "\n");
        Directory.GetFileSystemEntries(_tool.Folder).Should().HaveCount(3, "nothing else is left beside");
        (await _tool.RunAsync("merge", "-a", first, "-o", _tool.PathOf("new"))).Should().Be(1);
        _tool.Error.Should().Contain("it is there already");
        (await _tool.RunAsync("merge", "-a", first, "-o", _tool.PathOf("other"), "--json")).Should().Be(0);
        _tool.Json["bytes"]!.GetValue<long>().Should().Be(6_939_264);
    }
}
