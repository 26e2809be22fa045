using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Tensors;
using ChatGLM.Training;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>Learning rates, optimizer trajectories, clipping and losses against recorded tables.</summary>
public sealed class SchedulesTests(ITestOutputHelper output)
{
    private const string Kind = "schedules_and_optimizers";

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Learning_rates_follow_the_recorded_tables(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tolerance = recorded.Json.GetProperty("tolerance").GetProperty("lr").GetDouble();
        double largest = 0;
        var rows = 0;
        foreach (var row in recorded.ReadJson("lr.json").GetProperty("table").EnumerateArray())
        {
            var scheduler = row.GetProperty("scheduler").GetString()!;
            var type = SchedulerTypes.Parse(scheduler);
            var warmup = row.GetProperty("warmup").GetInt32();
            rows++;
            if (row.TryGetProperty("error", out _))
            {
                FluentActions.Invoking(() => new LearningRateSchedule(type, warmup, 50, 1e-3, Options(row))).Should().Throw<TrainingArgumentsException>();
                continue;
            }

            using var optimizer = new Sgd([Tensor.Zeros([1])], new SgdOptions { LearningRate = row.GetProperty("lr0").GetDouble() });
            var rates = new LearningRateScheduler(optimizer, type, warmup, row.GetProperty("total").GetInt32(), Options(row));
            foreach (var expected in row.GetProperty("lrs").EnumerateArray())
            {
                var error = Math.Abs(rates.LastLearningRate - expected.GetDouble());
                error.Should().BeLessThanOrEqualTo(tolerance, "{0} with warm-up {1} at step {2}", scheduler, warmup, rates.LastStep);
                largest = Math.Max(largest, error);
                rates.Step();
            }
        }

        rows.Should().BePositive();
        output.WriteLine($"{caseName}: {rows} schedules, largest error {largest:G3}");
    }

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Warm_up_steps_follow_from_the_ratio_as_recorded(string caseName)
    {
        foreach (var row in ConformanceFolder.Get(caseName).ReadJson("lr.json").GetProperty("warmup_ratio").EnumerateArray())
        {
            var arguments = new TrainingArguments { OutputDir = "unused", WarmupRatio = row.GetProperty("warmup_ratio").GetDouble(), WarmupSteps = row.GetProperty("warmup_steps").GetInt32() };
            arguments.GetWarmupSteps(row.GetProperty("total").GetInt32()).Should().Be(row.GetProperty("effective").GetInt32(), row.GetRawText());
        }
    }

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Optimizers_follow_the_recorded_trajectories(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf("tables.safetensors"));
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("trajectories"));
        var walks = 0;
        foreach (var optimizer in recorded.Json.GetProperty("optimizers").EnumerateObject())
        {
            foreach (var (form, start, gradients) in new[] { ("vector", "x0", "grads"), ("matrix", "m0", "mgrads") })
            {
                if (!optimizer.Value.TryGetProperty(form, out var name) || name.ValueKind == JsonValueKind.Null)
                    continue;
                Walk(optimizer.Value, tensors, name.GetString()!, start, gradients, closeness);
                walks++;
            }
        }

        walks.Should().BePositive();
        closeness.Report(output, $"{caseName}, {walks} trajectories");
    }

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Gradients_are_clipped_as_recorded(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf("tables.safetensors"));
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("trajectories"));
        var rows = recorded.Json.GetProperty("clipping").EnumerateArray().ToArray();
        rows.Should().NotBeEmpty();
        for (var row = 0; row < rows.Length; row++)
        {
            using var scope = new TensorScope();
            var parameters = new List<Tensor>();
            for (var i = 0; tensors.Contains($"clip.grad{i}"); i++)
                parameters.Add(WithGradient(tensors, $"clip.grad{i}"));
            var norm = GradientClipping.ClipNorm(parameters, rows[row].GetProperty("max_norm").GetDouble(), NormType(rows[row].GetProperty("norm_type")));
            closeness.Check($"norm {row}", [(float)norm], [rows[row].GetProperty("total_norm").GetSingle()]);
            for (var i = 0; i < parameters.Count; i++)
                closeness.Check($"clip.{row}.grad{i}", parameters[i].Grad!.ToArray<float>(), tensors.Floats($"clip.{row}.grad{i}"));
        }

        closeness.Report(output, $"{caseName}, {rows.Length} clippings");
    }

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Smoothed_losses_and_their_gradients_are_as_recorded(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf("tables.safetensors"));
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("trajectories"));
        var rows = recorded.Json.GetProperty("label_smoothing").EnumerateArray().ToArray();
        rows.Should().NotBeEmpty();
        for (var row = 0; row < rows.Length; row++)
            Loss(rows[row].GetProperty("epsilon").GetDouble(), rows[row].GetProperty("shift_labels").GetBoolean(), rows[row].GetProperty("loss").GetSingle(), $"loss.smooth.{row}.grad");
        Loss(0, shift: true, recorded.Json.GetProperty("shifted_cross_entropy").GetSingle(), "loss.ce.grad");
        closeness.Report(output, $"{caseName}, {rows.Length + 1} losses");

        void Loss(double epsilon, bool shift, float expected, string gradient)
        {
            using var scope = new TensorScope();
            var logits = ToTensor(tensors, "loss.logits");
            logits.RequiresGrad = true;
            var labels = Tensor.From(tensors.Longs("loss.labels"), new Shape(Array.ConvertAll(tensors.Shape("loss.labels"), n => (int)n)));
            var loss = new LabelSmoother(epsilon).Compute(logits, labels, shift);
            closeness.Check($"loss {epsilon} {shift}", [loss.Item()], [expected]);
            loss.Backward();
            closeness.Check(gradient, logits.Grad!.ToArray<float>(), tensors.Floats(gradient));
        }
    }

    private static void Walk(JsonElement how, RecordedTensors tensors, string trajectory, string start, string gradients, Closeness closeness)
    {
        using var scope = new TensorScope();
        var parameter = ToTensor(tensors, start);
        parameter.RequiresGrad = true;
        using var optimizer = Create(how, parameter);
        var slopes = ToTensor(tensors, gradients);
        var expected = tensors.Floats(trajectory);
        var size = (int)parameter.ElementCount;
        for (var step = 0; step < slopes.Shape[0]; step++)
        {
            // The gradient of sum(p * g) is g.
            var slope = Tensor.From(slopes.ToArray<float>().AsSpan(step * size, size).ToArray(), parameter.Shape);
            Functional.Sum(Functional.Multiply(parameter, slope)).Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
            closeness.Check($"{trajectory}, step {step + 1}", parameter.ToArray<float>(), expected.AsSpan(step * size, size));
        }
    }

    private static Optimizer Create(JsonElement how, Tensor parameter)
    {
        double Number(string name, double otherwise = 0) => how.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : otherwise;
        bool Flag(string name) => how.TryGetProperty(name, out var value) && value.GetBoolean();
        double Beta(int index) => how.GetProperty("betas")[index].GetDouble();
        var rate = Number("lr", 1e-3);
        var decay = Number("weight_decay");
        Tensor[] parameters = [parameter];
        return how.GetProperty("kind").GetString() switch
        {
            "torch AdamW" => new AdamW(parameters, new() { LearningRate = rate, Beta1 = Beta(0), Beta2 = Beta(1), Epsilon = Number("eps"), WeightDecay = decay, AmsGrad = Flag("amsgrad") }),
            "torch Adam (L2)" => new Adam(parameters, new() { LearningRate = rate, Beta1 = Beta(0), Beta2 = Beta(1), Epsilon = Number("eps"), WeightDecay = decay, AmsGrad = Flag("amsgrad") }),
            "transformers AdamW" => new TransformersAdamW(parameters, new() { LearningRate = rate, Beta1 = Beta(0), Beta2 = Beta(1), Epsilon = Number("eps"), WeightDecay = decay, CorrectBias = Flag("correct_bias") }),
            "SGD" => new Sgd(parameters, new() { LearningRate = rate, Momentum = Number("momentum"), Dampening = Number("dampening"), Nesterov = Flag("nesterov"), WeightDecay = decay }),
            "Adagrad" => new Adagrad(parameters, new() { LearningRate = rate, Epsilon = Number("eps", 1e-10), LearningRateDecay = Number("lr_decay"), WeightDecay = decay }),
            "Adafactor" => new Adafactor(parameters, new()
            {
                LearningRate = rate,
                ScaleParameter = Flag("scale_parameter"),
                RelativeStep = Flag("relative_step"),
                WarmupInit = Flag("warmup_init"),
                Beta1 = how.TryGetProperty("beta1", out var beta) && beta.ValueKind == JsonValueKind.Number ? beta.GetDouble() : null,
                WeightDecay = decay,
            }),
            var other => throw new NotSupportedException($"An optimizer of the kind '{other}' was recorded, and nothing here knows it."),
        };
    }

    private static SchedulerOptions Options(JsonElement row)
    {
        var options = new SchedulerOptions();
        if (row.TryGetProperty("num_cycles", out var cycles))
            options = options with { NumCycles = cycles.GetDouble() };
        if (row.TryGetProperty("lr_end", out var end))
            options = options with { LrEnd = end.GetDouble() };
        if (row.TryGetProperty("power", out var power))
            options = options with { Power = power.GetDouble() };
        return row.TryGetProperty("timescale", out var timescale) ? options with { Timescale = timescale.GetInt32() } : options;
    }

    private static double NormType(JsonElement type) => type.ValueKind == JsonValueKind.Number ? type.GetDouble() : double.PositiveInfinity;

    private static Tensor WithGradient(RecordedTensors tensors, string name)
    {
        var gradient = ToTensor(tensors, name);
        var parameter = Tensor.Zeros(gradient.Shape);
        parameter.RequiresGrad = true;
        Functional.Sum(Functional.Multiply(parameter, gradient)).Backward();
        return parameter;
    }

    private static Tensor ToTensor(RecordedTensors tensors, string name) => Tensor.From(tensors.Floats(name), new Shape(Array.ConvertAll(tensors.Shape(name), n => (int)n)));
}
