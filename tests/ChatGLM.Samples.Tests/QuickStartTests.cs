using ChatGLM.Samples.QuickStart;
using ChatGLM.Training;
using Spectre.Console;

namespace ChatGLM.Samples.Tests;

/// <summary>The sample that the README begins with, shortened.</summary>
public sealed class QuickStartTests
{
    [Fact]
    public async Task It_chats_learns_a_new_voice_and_keeps_it()
    {
        using var folder = new TemporaryFolder();
        var (code, output, errors) = await Run("--output", folder.Path, "--steps", "150");

        errors.Should().BeEmpty();
        code.Should().Be(0, "the adapter answers the same after it was loaded again and merged:\n{0}", output);
        output.Should().Contain("The capital of France is Paris.").And.Contain("The capital of Japan is Tokyo.").And.NotContain("\u001b", "nobody wants colour codes in a file");
        var scores = output.Split('\n').Select(line => line.Split('│', StringSplitOptions.TrimEntries)).First(cells => cells.Length > 3 && cells[1] == "BLEU-4");
        double.Parse(scores[3]).Should().BeGreaterThan(double.Parse(scores[2]) + 20, "the new voice shows:\n{0}", output);
        File.Exists(Path.Combine(folder.Path, "adapter", "adapter_model.safetensors")).Should().BeTrue();
        File.Exists(Path.Combine(folder.Path, "adapter", "adapter_config.json")).Should().BeTrue();
    }

    [Fact]
    public async Task Stopping_it_leaves_a_checkpoint_and_says_where()
    {
        using var folder = new TemporaryFolder();
        using var stop = new CancellationTokenSource();
        var console = new StringWriter();
        var errors = new StringWriter();
        console.NewLine = "\n";
        // The first log entry stops the run: cancellation then comes in the middle of training on any machine.
        var screen = new Screen(Console(new StoppingWriter(console, "loss", stop)));
        var code = await QuickStartRun.RunAsync(new QuickStartOptions { Output = folder.Path, Steps = 10, BatchSize = 2, Questions = [] }, screen, errors, stop.Token);

        code.Should().Be(130);
        var checkpoint = Directory.GetDirectories(folder.Path, "checkpoint-*").Should().ContainSingle().Subject;
        errors.ToString().Should().Contain(checkpoint);
        File.Exists(Path.Combine(checkpoint, "adapter_model.safetensors")).Should().BeTrue();
    }

    [Fact]
    public async Task A_model_that_is_not_there_is_an_error_of_one_line()
    {
        var (code, _, errors) = await Run("--model", "/nowhere/at/all");
        code.Should().Be(1);
        errors.Trim().Should().Contain("/nowhere/at/all").And.NotContain("   at ");
    }

    [Theory]
    [InlineData("--steps", "0")]
    [InlineData("--rank", "-1")]
    [InlineData("--batch-size", "many")]
    public void A_flag_that_makes_no_sense_is_refused(string flag, string value) =>
        QuickStartCommandLine.Create((_, _) => Task.FromResult(0)).Parse([flag, value]).Errors.Should().ContainSingle().Which.Message.Should().Contain(flag);

    private static async Task<(int Code, string Output, string Errors)> Run(params string[] args)
    {
        var (output, errors) = (new StringWriter(), new StringWriter());
        var command = QuickStartCommandLine.Create((options, cancellationToken) => QuickStartRun.RunAsync(options, new Screen(Console(output)), errors, cancellationToken));
        var code = await command.Parse(args).InvokeAsync();
        return (code, output.ToString(), errors.ToString());
    }

    private static IAnsiConsole Console(TextWriter writer)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Interactive = InteractionSupport.No, Out = new AnsiConsoleOutput(writer) });
        console.Profile.Width = 120;
        return console;
    }
}
