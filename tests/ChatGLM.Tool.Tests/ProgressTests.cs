using System.Text.Json.Nodes;
using ChatGLM.Tool.Terminal;
using Spectre.Console;

namespace ChatGLM.Tool.Tests;

public sealed class ProgressTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [Fact]
    public void A_line_says_how_far_it_is()
    {
        ToolProgress.Line(new ProgressReport("downloading", 1_200_000_000, 12_400_000_000, "bytes", 52_100_000, TimeSpan.FromSeconds(215), "3/7 files")).Should()
            .Be("downloading  1.2 GB of 12.4 GB  52.1 MB/s  3:35 left  3/7 files");
        ToolProgress.Line(new ProgressReport("generating", 3, 40, "texts", 1.5, TimeSpan.FromSeconds(24))).Should().Be("generating  3 of 40 texts  1.5 texts/s  0:24 left");
        ToolProgress.Line(new ProgressReport("merging", 0, 0, "")).Should().Be("merging");
        ToolProgress.Line(new ProgressReport("reading", 7, 0, "rows")).Should().Be("reading  7 rows");
    }

    [Fact]
    public void What_is_over_at_once_is_not_worth_a_line()
    {
        using (var progress = new ToolProgress(_tool.Console(), ProgressStyle.Auto))
        {
            progress.Report(new ProgressReport("loading", 1, 2, "bytes"));
            progress.Report(new ProgressReport("loading", 2, 2, "bytes"));
        }

        _tool.Error.Should().BeEmpty();
    }

    [Fact]
    public void Programs_get_the_first_and_the_last_word_of_a_phase()
    {
        using (var progress = new ToolProgress(_tool.Console(), ProgressStyle.Json))
        {
            for (var i = 0; i <= 1000; i++)
                progress.Report(new ProgressReport("loading", i, 1000, "bytes"));
            progress.Report(new ProgressReport("saving", 0, 0, ""));
        }

        var lines = _tool.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).ToList();
        lines[0]["done"]!.GetValue<int>().Should().Be(0);
        lines[^2]["done"]!.GetValue<int>().Should().Be(1000);
        lines[^1]["phase"]!.GetValue<string>().Should().Be("saving");
        lines[^1]["total"].Should().BeNull();
        lines.Should().HaveCountLessThan(20);
    }

    [Fact]
    public void A_terminal_gets_bars_that_are_put_away()
    {
        var error = new StringWriter();
        var console = new ToolConsole(TextReader.Null, TextWriter.Null, error) { IsErrorRedirected = false, Messages = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.Yes, Interactive = InteractionSupport.Yes, Out = new AnsiConsoleOutput(error) }) };
        var progress = new ToolProgress(console, ProgressStyle.Auto);
        progress.Report(new ProgressReport("over at once", 1, 1, "rows"));
        progress.Report(new ProgressReport("merging", 0, 0, "")); // nobody knows how long that takes
        Parallel.For(0, 100, i => progress.Report(new ProgressReport("loading [x]", i, 100, "rows")));
        progress.Report(new ProgressReport("loading [x]", 100, 100, "rows", Detail: "的"));
        progress.Dispose();
        progress.Report(new ProgressReport("loading [x]", 100, 100, "rows")); // too late, and no harm
        error.ToString().Should().NotContain("over at once").And.Contain("loading [x]").And.Contain("100 of 100 rows").And.EndWith("\u001b[?25h", "the cursor is back");
    }

    [Fact]
    public void The_second_Ctrl_C_ends()
    {
        using var interruption = new Interruption();
        var stopped = 0;
        using (interruption.Intercept(() => stopped++))
        {
            interruption.Press().Should().BeTrue();
            interruption.Press().Should().BeFalse();
            (stopped, interruption.Token.IsCancellationRequested).Should().Be((1, false));
        }

        interruption.Press().Should().BeTrue("what was going on has ended");
        interruption.Token.IsCancellationRequested.Should().BeTrue();
        interruption.ExitCode.Should().Be(130);
        interruption.Press().Should().BeFalse();
        interruption.Terminate().Should().BeFalse();
    }
}
