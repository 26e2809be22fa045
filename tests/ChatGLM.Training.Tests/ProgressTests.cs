using System.Text;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Training.Worker;
using Spectre.Console;

namespace ChatGLM.Training.Tests;

public sealed class ProgressTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_terminal_gets_a_bar_with_steps_loss_rate_and_speed()
    {
        var screen = new Screen(isTerminal: true);
        Train(new ProgressCallback(screen.Console)).Train();
        var text = screen.Text;
        text.Should().Contain("training").And.Contain("6/6  loss ").And.Contain("tokens/s").And.Contain("0:00 left").And.Contain("evaluating");
        text.Should().Contain("\u001b[", "the bar moves");
        text.Should().Contain("eval_loss", "log entries stand above the bar");
    }

    [Fact]
    public void Redirected_output_gets_a_line_for_each_log_entry()
    {
        var screen = new Screen(isTerminal: false);
        var trainer = Train(new ProgressCallback(screen.Console));
        trainer.Train();
        var lines = screen.Text.TrimEnd().Split('\n');
        lines.Should().HaveCount(1 + trainer.State.LogHistory.Count);
        lines[0].Should().StartWith("training ").And.Contain("MiB in all", "the memory plan comes first");
        screen.Text.Should().NotContain("\u001b[");
        lines[1].Should().MatchRegex(@"^step 2/6  loss \d+\.\d+  learning_rate \S+  epoch \S+  [\d,]+ tokens/s  \d+:\d\d left\r?$");
        lines[^1].Should().Contain("train_loss");
    }

    [Fact]
    public void Without_the_bar_the_entries_are_printed()
    {
        using var writer = new StringWriter();
        var trainer = Train(new PrinterCallback(writer));
        trainer.Train();
        writer.ToString().TrimEnd().Split('\n').Should().HaveCount(1 + trainer.State.LogHistory.Count, "the memory plan comes first");
    }

    [Fact]
    public void A_run_that_fails_gives_the_terminal_back()
    {
        var screen = new Screen(isTerminal: true);
        var trainer = Train(new ProgressCallback(screen.Console), new TrainerOptions { ComputeLoss = (_, _) => throw new InvalidOperationException("broken") });
        trainer.Invoking(t => t.Train()).Should().Throw<InvalidOperationException>().WithMessage("broken");
        // Two bars at a time are refused: that this one opens shows that the first is gone.
        screen.Console.Progress().Start(context => context.AddTask("another").Value = 100);
        screen.Text.Should().Contain("another");
    }

    [Fact]
    public void The_first_step_is_logged_on_request()
    {
        var trainer = Train(new PrinterCallback(TextWriter.Null), arguments: Arguments() with { LoggingFirstStep = true });
        trainer.Train();
        trainer.State.LogHistory.Where(entry => entry.ContainsKey("loss")).Select(entry => entry["step"]).Should().Equal(1, 2, 4, 6);
    }

    [Theory]
    [InlineData(false, typeof(ProgressCallback))]
    [InlineData(true, typeof(PrinterCallback))]
    public void A_trainer_shows_a_bar_unless_told_not_to(bool disableTqdm, Type expected)
    {
        using var model = AutoModel.FromConfig(TinyRun.Config, new ModelOptions { Seed = 7 });
        var trainer = new Trainer(model, Arguments() with { DisableTqdm = disableTqdm }, TinyRun.Rows(8), TinyRun.Rows(2));
        TrainerCallback? shown = disableTqdm ? trainer.RemoveCallback<PrinterCallback>() : trainer.RemoveCallback<ProgressCallback>();
        shown.Should().BeOfType(expected);
        trainer.RemoveCallback<ProgressCallback>().Should().BeNull();
    }

    [Fact]
    public void The_time_left_follows_from_the_steps_of_this_run()
    {
        var seen = new List<TrainingProgress>();
        Train(new PrinterCallback(TextWriter.Null), new TrainerOptions { Progress = new Seen(seen.Add) }).Train();
        seen.Should().HaveCount(6);
        seen.Should().OnlyContain(p => Math.Abs((p.Elapsed * (6 - p.Step) / p.Step - p.Remaining).TotalMilliseconds) < 0.1);
    }

    private Trainer Train(TrainerCallback callback, TrainerOptions? options = null, TrainingArguments? arguments = null)
    {
        var model = AutoModel.FromConfig(TinyRun.Config, new ModelOptions { Seed = 7 });
        return new Trainer(model, arguments ?? Arguments(), TinyRun.Rows(8), TinyRun.Rows(2), (options ?? new()) with { Callbacks = [callback] });
    }

    private TrainingArguments Arguments() => new()
    {
        OutputDir = _folder.Path, PerDeviceTrainBatchSize = 2, MaxSteps = 6, LoggingSteps = 2, EvaluationStrategy = IntervalStrategy.Steps, EvalSteps = 3, SaveStrategy = IntervalStrategy.No,
    };

    private sealed class Seen(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    /// <summary>A console that keeps what is written to it.</summary>
    private sealed class Screen : IAnsiConsoleOutput
    {
        private readonly StringWriter _writer = new();

        public Screen(bool isTerminal)
        {
            IsTerminal = isTerminal;
            Console = AnsiConsole.Create(new AnsiConsoleSettings
            {
                Ansi = isTerminal ? AnsiSupport.Yes : AnsiSupport.No, Interactive = isTerminal ? InteractionSupport.Yes : InteractionSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = this,
            });
        }

        public IAnsiConsole Console { get; }

        public string Text => _writer.ToString();

        public TextWriter Writer => _writer;

        public bool IsTerminal { get; }

        public int Width => 160;

        public int Height => 40;

        public void SetEncoding(Encoding encoding)
        {
        }
    }
}
