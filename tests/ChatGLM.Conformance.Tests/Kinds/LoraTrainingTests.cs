using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>A LoRA training run through transformers' Trainer, step by step: accumulated batches, clipping, AdamW, warm-up and decay.</summary>
public sealed class LoraTrainingTests(ITestOutputHelper output)
{
    [ConformanceTheory("lora_training"), CasesOf("lora_training")]
    public void Training_gives_the_recorded_losses_norms_and_weights(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var run = recorded.ReadJson("run.json");
        var hyper = run.GetProperty("hyper");
        hyper.GetProperty("sched").GetString().Should().Be("linear");
        hyper.GetProperty("optim").GetString().Should().Be("adamw_torch");
        var (steps, accumulation, batch, warmup) = (Int("steps"), Int("accum"), Int("bs"), Int("warmup"));
        var tensors = RecordedTensors.Read(recorded.PathOf("run.safetensors"));
        using var peft = Start(recorded);
        peft.Train();
        var trained = peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).ToDictionary(p => p.Name, p => p.Parameter);
        trained.Keys.Should().Equal(run.GetProperty("trainable").EnumerateArray().Select(n => n.GetString()!));
        using var optimizer = new AdamW(trained.Values, new AdamWOptions { LearningRate = Rate(0), WeightDecay = hyper.GetProperty("wd").GetDouble() });
        var losses = Numbers("micro_loss");
        var norms = Numbers("grad_norm");
        var rates = Numbers("lr");
        var (lossTolerance, normTolerance) = (run.GetProperty("tolerance").GetProperty("micro_loss").GetDouble(), run.GetProperty("tolerance").GetProperty("grad_norm_rel").GetDouble());
        double largestLoss = 0, largestNorm = 0;
        var row = 0;
        for (var step = 0; step < steps; step++)
        {
            for (var micro = 0; micro < accumulation; micro++)
            {
                var (inputs, next) = Batch(tensors, row, batch);
                row = next;
                using var scope = new TensorScope();
                var loss = peft.Forward(inputs).Loss!;
                var error = Math.Abs(loss.Item() - losses[(step * accumulation) + micro]);
                error.Should().BeLessThanOrEqualTo(lossTolerance, "step {0}, batch {1}", step, micro);
                largestLoss = Math.Max(largestLoss, error);
                Functional.Affine(loss, 1f / accumulation).Backward();
            }

            var norm = GradientClipping.Norm(trained.Values);
            var relative = Math.Abs(norm - norms[step]) / norms[step];
            relative.Should().BeLessThanOrEqualTo(normTolerance, "step {0}", step);
            largestNorm = Math.Max(largestNorm, relative);
            optimizer.Step(GradientClipping.Coefficient(norm, hyper.GetProperty("max_norm").GetDouble()));
            peft.ZeroGrad();
            optimizer.Groups[0].LearningRate = Rate(step + 1);
            Rate(step + 1).Should().BeApproximately(rates[step], 1e-12);
            if (step == 0)
                CheckWeights("after_step_1.");
        }

        CheckWeights("final.");
        output.WriteLine($"loss: largest error {largestLoss:G3}; gradient norm: largest relative error {largestNorm:G3}");

        int Int(string name) => hyper.GetProperty(name).GetInt32();

        double Rate(int step) => hyper.GetProperty("lr").GetDouble() * (step < warmup ? (double)step / warmup : Math.Max(0, (double)(steps - step) / (steps - warmup)));

        double[] Numbers(string name) => run.GetProperty("steps").GetProperty(name).EnumerateArray().Select(n => n.GetDouble()).ToArray();

        void CheckWeights(string prefix)
        {
            var closeness = Closeness.From(run.GetProperty("tolerance").GetProperty("final"));
            foreach (var (name, parameter) in trained)
                closeness.Check(prefix + name, parameter.ToFloatArray(), tensors.Floats(prefix + name));
            closeness.Report(output, prefix + "weights");
        }
    }

    private static PeftModelForCausalLM Start(ConformanceCase recorded)
    {
        var json = recorded.Json.GetProperty("config");
        var config = new LoraConfig
        {
            R = json.GetProperty("r").GetInt32(),
            LoraAlpha = json.GetProperty("lora_alpha").GetDouble(),
            TargetModules = new TargetModules(json.GetProperty("target_modules").EnumerateArray().Select(t => t.GetString()!)),
            LoraDropout = json.GetProperty("lora_dropout").GetSingle(),
            TaskType = TaskType.CausalLM,
        };
        var peft = LoraTests.LoadBase(recorded).GetPeftModel(config);
        var initial = RecordedTensors.Read(recorded.PathOf(recorded.Json.GetProperty("initial").GetString()!));
        peft.SetPeftModelStateDict(initial.Names.ToDictionary(
            name => name.Replace(".default", "", StringComparison.Ordinal),
            name => Tensor.From(initial.Floats(name), new Shape(Array.ConvertAll(initial.Shape(name), n => (int)n)))));
        return peft;
    }

    /// <summary>Rows in order; an epoch's last batch may be smaller, and the next one begins at row 0 again.</summary>
    private static (ModelInputs Inputs, int Next) Batch(RecordedTensors tensors, int row, int batch)
    {
        var rows = (int)tensors.Shape("rows.input_ids")[0];
        var end = Math.Min(row + batch, rows);
        var first = row;
        var inputs = new ModelInputs
        {
            InputIds = Read("input_ids")!,
            AttentionMask = Read("attention_mask"),
            PositionIds = Read("position_ids"),
            Labels = Read("labels"),
        };
        return (inputs, end == rows ? 0 : end);

        Tensor? Read(string name) => tensors.Contains($"rows.{name}") ? Functional.Slice(ModelTests.Read(tensors, $"rows.{name}"), 0, first, end - first) : null;
    }
}
