using ChatGLM.Extensions.AI.Tests;
using ChatGLM.Tokenizers;
using ChatGLM.Tool.Measuring;

namespace ChatGLM.Tool.Tests;

public sealed class BenchTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [Fact]
    public async Task Every_figure_is_there()
    {
        (await _tool.RunAsync("bench", "-p", "16", "32", "-n", "4", "-r", "2", "--json", "--quantize", "4")).Should().Be(0, "{0}", _tool.Error);
        var tests = _tool.Json["tests"]!.AsArray();
        tests.Select(test => test!["test"]!.GetValue<string>()).Should().Equal("pp16", "pp32", "tg4");
        tests.Should().OnlyContain(test => test!["tokens_per_second"]!.GetValue<double>() > 0 && test!["repetitions"]!.AsArray().Count == 2);
        _tool.Json["weights"]!.GetValue<string>().Should().Be("int4 g32");
        var bandwidth = _tool.Json["read_bytes_per_second"]!.GetValue<double>();
        bandwidth.Should().BeGreaterThan(1e8);
        tests[2]!["ceiling"]!.GetValue<double>().Should().BeApproximately(bandwidth / _tool.Json["bytes_per_token"]!.GetValue<double>(), 0.01);
        _tool.Json["peak_memory_bytes"]!.GetValue<long>().Should().BeGreaterThan(10_000_000);
        _tool.Json["load_seconds"]!.GetValue<double>().Should().BePositive();
    }

    [Fact]
    public async Task The_table_is_Markdown()
    {
        (await _tool.RunAsync("bench", "-p", "8", "-n", "0", "-r", "1")).Should().Be(0, "{0}", _tool.Error);
        var lines = _tool.Output.Split('\n');
        lines[0].Should().StartWith("| model | weights ");
        lines[1].Should().MatchRegex(@"^\|( -+:? \|)+$");
        lines[2].Should().StartWith("| demo  | float16 | 6.9 MB | 3.47 M | pp8  | ");
        lines.Take(3).Select(line => line.Length).Distinct().Should().ContainSingle();
        lines[4].Should().StartWith("ceiling: what a read bandwidth of");
        lines[5].Should().MatchRegex(@"^\d+ threads; loaded in ");
    }

    [Fact]
    public async Task Every_generation_can_be_measured()
    {
        foreach (var generation in Enum.GetValues<ChatGLMGeneration>())
        {
            using var snapshot = new TinySnapshot(generation);
            (await _tool.RunAsync("bench", "-m", snapshot.Path, "-p", "8", "-n", "2", "-r", "1", "--json")).Should().Be(0, "{0}", _tool.Error);
        }
    }

    [Fact]
    public void The_bandwidth_is_that_of_reading_everything()
    {
        using var one = new ReadBandwidth(1, 16 << 20);
        using var three = new ReadBandwidth(3, 16 << 20);
        one.Measure().Should().BePositive();
        three.Measure().Should().BePositive();
    }
}
