using System.Globalization;
using System.Xml.Linq;
using ChatGLM.Models;
using ChatGLM.Training.Worker;

namespace ChatGLM.Training.Tests;

public sealed class LossCurveTests : IDisposable
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_run_draws_its_losses_and_its_learning_rate()
    {
        using var model = AutoModel.FromConfig(TinyRun.Config, new ModelOptions { Seed = 7 });
        var arguments = new TrainingArguments
        {
            OutputDir = _folder["run <1> & more"], PerDeviceTrainBatchSize = 2, MaxSteps = 6, LoggingSteps = 2, EvaluationStrategy = IntervalStrategy.Steps, EvalSteps = 3, SaveStrategy = IntervalStrategy.No,
        };
        var trainer = new Trainer(model, arguments, TinyRun.Rows(8), TinyRun.Rows(2));
        trainer.Train();
        var svg = XDocument.Parse(File.ReadAllText(Path.Combine(arguments.OutputDir, "loss_curve.svg")));
        svg.Descendants(Svg + "polyline").Select(Points).Select(points => points.Length).Should().Equal([3, 2, 3], "training loss, evaluation loss, learning rate");
        svg.Descendants(Svg + "text").Select(text => text.Value).Should().Contain("run <1> & more").And.Contain("optimizer step").And.Contain("learning rate");
        var html = File.ReadAllText(Path.Combine(arguments.OutputDir, "loss_curve.html"));
        html.Should().Contain("<svg").And.Contain("run &lt;1&gt; &amp; more").And.NotContain("<script").And.NotContain("src=", "it stands by itself");
        html.Split("<tr>").Should().HaveCount(2 + trainer.State.LogHistory.Where(e => e.ContainsKey("loss") || e.ContainsKey("eval_loss")).Select(e => e["step"]).Distinct().Count());
    }

    [Fact]
    public void Greater_losses_stand_higher_and_later_steps_further_right()
    {
        var points = Points(XDocument.Parse(Curve(Enumerable.Range(1, 30).Select(step => (step * 10.0, 5.0 / step)))).Descendants(Svg + "polyline").First());
        points.Should().HaveCount(30);
        points.Select(point => point.X).Should().BeInAscendingOrder();
        points.Select(point => point.Y).Should().BeInAscendingOrder("down is greater in a drawing");
        points.Should().OnlyContain(point => point.X >= 78 && point.X <= 926 && point.Y >= 64 && point.Y <= 384);
    }

    [Fact]
    public void The_same_log_gives_the_same_text() => Curve([(1, 2), (2, 1)]).Should().Be(Curve([(1, 2), (2, 1)]));

    [Fact]
    public void A_long_log_is_thinned()
    {
        var points = Points(XDocument.Parse(Curve(Enumerable.Range(1, 100_000).Select(step => ((double)step, 1.0 / step)))).Descendants(Svg + "polyline").First());
        points.Length.Should().BeInRange(1000, 1500);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(2.5, 2.5)]
    [InlineData(0, 5e-5)]
    [InlineData(-3, 1e7)]
    [InlineData(11.7, 11.9)]
    public void Marks_are_round_few_and_inside(double least, double greatest)
    {
        var axis = new Axis(least, greatest, 0, 100, marks: 5);
        var marks = axis.Marks.ToArray();
        marks.Length.Should().BeInRange(2, 9);
        marks.Select(axis.Label).Should().OnlyHaveUniqueItems();
        marks.Select(axis.At).Should().OnlyContain(at => at > -0.01 && at < 100.01);
        axis.At(least).Should().BeInRange(-0.01, 100.01);
        axis.At(greatest).Should().BeInRange(-0.01, 100.01);
    }

    [Fact]
    public void A_log_without_losses_draws_nothing() => new LossCurve([new Dictionary<string, double> { ["step"] = 1, ["epoch"] = 1 }], "empty").HasPoints.Should().BeFalse();

    private static string Curve(IEnumerable<(double Step, double Loss)> points) =>
        new LossCurve([.. points.Select(point => new Dictionary<string, double> { ["step"] = point.Step, ["loss"] = point.Loss })], "a run").ToSvg();

    private static (double X, double Y)[] Points(XElement polyline) =>
        [.. polyline.Attribute("points")!.Value.Split(' ').Select(pair => pair.Split(',').Select(n => double.Parse(n, CultureInfo.InvariantCulture)).ToArray()).Select(pair => (pair[0], pair[1]))];
}
