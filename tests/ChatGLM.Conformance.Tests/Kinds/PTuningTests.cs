using System.Text;
using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>P-Tuning v2: a learned prefix in front of every layer, what it does to scores and answers, and how it is trained.</summary>
public sealed class PTuningTests(ITestOutputHelper output)
{
    private const string Encoder = "transformer.prefix_encoder";

    [ConformanceTheory("ptuning_v2"), CasesOf("ptuning_v2")]
    public void Forward_gives_the_recorded_prefix_logits_and_loss(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = AutoModel.FromPretrained(recorded.Folder);
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var expected = Expected(recorded);
        model.Config.PreSeqLen.Should().Be(recorded.Json.GetProperty("pre_seq_len").GetInt32());
        model.TryGetModule(Encoder, out var encoder).Should().BeTrue();
        var pairs = ((PrefixEncoder)encoder!).PerLayer(1, model.Config);
        pairs.Should().HaveCount(expected.Names.Count(n => n.StartsWith("prompt_kv.", StringComparison.Ordinal) && n.EndsWith(".key", StringComparison.Ordinal)));
        for (var layer = 0; layer < pairs.Length; layer++)
        {
            Check(recorded, "logits", $"prompt_kv.{layer}.key", PositionFirst(pairs[layer].Key), expected.Floats($"prompt_kv.{layer}.key"));
            Check(recorded, "logits", $"prompt_kv.{layer}.value", PositionFirst(pairs[layer].Value), expected.Floats($"prompt_kv.{layer}.value"));
        }

        CheckForward(recorded, model, expected);
    }

    [ConformanceTheory("ptuning_v2"), CasesOf("ptuning_v2")]
    public void A_checkpoint_of_the_prefix_alone_goes_over_the_base_model(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = LoadBase(recorded);
        using var noGrad = GradMode.NoGrad();
        var expected = Expected(recorded);
        var plain = Logits(model, expected);
        foreach (var path in new[] { recorded.PathOf("prefix_checkpoint"), recorded.PathOf("prefix_checkpoint/pytorch_model.bin") })
        {
            var loaded = model.LoadAdapter(path, isTrainable: true);
            loaded.IsPTuningV2.Should().BeTrue();
            loaded.Prefix.Should().BeEquivalentTo(new { PreSeqLen = recorded.Json.GetProperty("pre_seq_len").GetInt32(), PrefixProjection = recorded.Json.GetProperty("prefix_projection").GetBoolean(), IsWholeModel = false });
            model.Config.PreSeqLen.Should().Be(loaded.Prefix!.PreSeqLen);
            model.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Name).Should().BeEquivalentTo(Trainable(recorded));
            CheckForward(recorded, model, expected);
            loaded.Unload();
            Logits(model, expected).Should().Equal(plain, "without the prefix the base answers, bit for bit");
            model.NamedParameters().Should().OnlyContain(p => p.Parameter.RequiresGrad || !p.Parameter.DType.IsFloatingPoint(), "what the prefix froze can be trained again");
        }
    }

    [ConformanceTheory("ptuning_v2"), CasesOf("ptuning_v2")]
    public void An_old_checkpoint_of_the_whole_model_gives_its_prefix_to_the_base(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = LoadBase(recorded);
        using var noGrad = GradMode.NoGrad();
        model.LoadAdapter(recorded.Folder).Prefix.Should().BeEquivalentTo(new { PreSeqLen = recorded.Json.GetProperty("pre_seq_len").GetInt32(), IsWholeModel = true });
        CheckForward(recorded, model, Expected(recorded));
    }

    [ConformanceTheory("ptuning_v2"), CasesOf("ptuning_v2")]
    public void Backward_gives_the_recorded_gradients_and_none_for_the_base(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var expected = Expected(recorded);
        var trainable = Trainable(recorded);
        foreach (var checkpointing in new[] { false, true })
        {
            using var model = AutoModel.FromPretrained(recorded.Folder, new ModelOptions { ConfigOverrides = WithoutDropout });
            SwitchCheckpointing(model, checkpointing);
            model.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Name).Should().BeEquivalentTo(trainable);
            using var scope = new TensorScope();
            model.Forward(Inputs(expected)).Loss!.Backward();
            var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("grad"));
            foreach (var (name, parameter) in model.NamedParameters())
            {
                if (trainable.Contains(name))
                    closeness.Check($"grad.{name}", parameter.Grad!.ToFloatArray(), expected.Floats($"grad.{name}"));
                else
                    parameter.Grad.Should().BeNull("{0} is frozen", name);
            }

            closeness.Report(output, checkpointing ? "gradients (recomputed)" : "gradients");
        }
    }

    [ConformanceTheory("ptuning_v2"), CasesOf("ptuning_v2")]
    public void Generate_gives_the_recorded_tokens(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = AutoModel.FromPretrained(recorded.Folder);
        var prompt = ModelTests.StepInputs("prompt.", Expected(recorded));
        foreach (var run in recorded.ReadJson("generation.json").EnumerateObject())
        {
            var inputs = run.Value.TryGetProperty("input_ids", out var ids) ? IdsOnly(ids) : prompt;
            var options = GenerationConfig.FromJson(Encoding.UTF8.GetBytes(run.Value.GetProperty("kwargs").GetRawText()), "kwargs");
            var sequences = run.Value.GetProperty("sequences").EnumerateArray().Select(s => s.EnumerateArray().Select(t => t.GetInt32()).ToArray()).ToArray();
            var result = model.Generate(inputs, options);
            result.Sequences.Should().HaveCount(sequences.Length, run.Name);
            for (var row = 0; row < sequences.Length; row++)
                result.Sequences[row].Should().Equal(sequences[row], "{0}, sequence {1}", run.Name, row);
            output.WriteLine($"{run.Name}: {sequences.Length} sequences, {sequences.Sum(s => s.Length)} tokens, no difference");
        }
    }

    [ConformanceTheory("ptuning_v2"), CasesOf("ptuning_v2")]
    public void Training_gives_the_recorded_losses_norms_and_prefix(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var (train, tensors) = (recorded.ReadJson("train.json"), RecordedTensors.Read(recorded.PathOf("train.safetensors")));
        var (hyper, steps, tolerance) = (train.GetProperty("hyper"), train.GetProperty("steps"), train.GetProperty("tolerance"));
        var (losses, norms, rates) = (Numbers(steps.GetProperty("micro_loss")), Numbers(steps.GetProperty("grad_norm")), Numbers(steps.GetProperty("lr")));
        var final = Closeness.From(tolerance.GetProperty("final"));
        var (largestLoss, largestNorm) = (0.0, 0.0);

        // Without dropout, as it was recorded.
        using var model = AutoModel.FromPretrained(recorded.Folder);
        var parameters = model.NamedParameters().Where(p => p.Parameter.RequiresGrad).ToList();
        parameters.Select(p => p.Name).Should().BeEquivalentTo(Trainable(recorded));
        using var optimizer = Optimizer(parameters, train);
        var rows = Enumerable.Range(0, (int)tensors.Shape("rows.input_ids")[0]).ToArray();
        var (accumulation, batchSize, row) = (hyper.GetProperty("accum").GetInt32(), hyper.GetProperty("bs").GetInt32(), 0);
        for (var step = 0; step < hyper.GetProperty("steps").GetInt32(); step++)
        {
            for (var micro = 0; micro < accumulation; micro++)
            {
                using var scope = new TensorScope();
                var loss = model.Forward(RowInputs(tensors, rows.AsSpan(row, Math.Min(batchSize, rows.Length - row)))).Loss!;
                var error = Math.Abs(loss.Item() - losses[(step * accumulation) + micro]);
                error.Should().BeLessThanOrEqualTo(tolerance.GetProperty("micro_loss").GetDouble(), "of the loss of step {0}, micro-batch {1}", step, micro);
                largestLoss = Math.Max(largestLoss, error);
                Functional.Affine(loss, 1f / accumulation, 0).Backward();
                row = row + batchSize < rows.Length ? row + batchSize : 0;
            }

            var norm = GradientClipping.Norm(parameters.Select(p => p.Parameter));
            var relative = Math.Abs(norm - norms[step]) / norms[step];
            relative.Should().BeLessThanOrEqualTo(tolerance.GetProperty("grad_norm_rel").GetDouble(), "of the gradient's norm in step {0}", step);
            largestNorm = Math.Max(largestNorm, relative);
            foreach (var group in optimizer.Groups)
                group.LearningRate = step > 0 ? rates[step - 1] : hyper.GetProperty("warmup").GetInt32() > 0 ? 0 : hyper.GetProperty("lr").GetDouble();
            optimizer.Step(GradientClipping.Coefficient(norm, hyper.GetProperty("max_norm").GetDouble()));
            optimizer.ZeroGrad();
            if (step == 0)
                CheckParameters("after_step_1", parameters, tensors, final);
        }

        CheckParameters("final", parameters, tensors, final);
        output.WriteLine($"losses: largest error {largestLoss:G3}; norms: {largestNorm:G3} relative");
        final.Report(output, "prefix after the first and after the last step");
    }

    private static AdamW Optimizer(List<(string Name, Tensor Parameter)> parameters, JsonElement train)
    {
        var (rate, decay) = (train.GetProperty("hyper").GetProperty("lr").GetDouble(), train.GetProperty("hyper").GetProperty("wd").GetDouble());
        var undecayed = train.GetProperty("no_weight_decay").EnumerateArray().Select(n => n.GetString()).ToHashSet();
        return new AdamW([
            new ParameterGroup(parameters.Where(p => !undecayed.Contains(p.Name)).Select(p => p.Parameter), rate, decay),
            new ParameterGroup(parameters.Where(p => undecayed.Contains(p.Name)).Select(p => p.Parameter), rate),
        ]);
    }

    private static void CheckParameters(string when, List<(string Name, Tensor Parameter)> parameters, RecordedTensors tensors, Closeness closeness)
    {
        foreach (var (name, parameter) in parameters)
            closeness.Check($"{when}.{name}", parameter.ToFloatArray(), tensors.Floats($"{when}.{name}"));
    }

    private static ModelInputs RowInputs(RecordedTensors tensors, ReadOnlySpan<int> rows)
    {
        var chosen = rows.ToArray();
        Tensor Rows(string name)
        {
            var all = ModelTests.Read(tensors, name);
            return all.Backend.SelectRows(all, chosen);
        }

        return new ModelInputs { InputIds = Rows("rows.input_ids"), AttentionMask = Rows("rows.attention_mask"), PositionIds = Rows("rows.position_ids"), Labels = Rows("rows.labels") };
    }

    private static void SwitchCheckpointing(ChatGLMForConditionalGeneration model, bool on)
    {
        // Layers are recomputed in training only; the recordings were made without the dropout of the prefix, so the encoder stays out of it.
        model.Train(on);
        model.GradientCheckpointing = on;
        model.TryGetModule(Encoder, out var encoder).Should().BeTrue();
        encoder!.Eval();
    }

    private void CheckForward(ConformanceCase recorded, ChatGLMForConditionalGeneration model, RecordedTensors expected)
    {
        using var scope = new TensorScope();
        var result = model.Forward(Inputs(expected));
        Check(recorded, "logits", "logits", result.Logits.ToFloatArray(), expected.Floats("logits"));
        Check(recorded, "logits", "loss", result.Loss!.ToFloatArray(), expected.Floats("loss"));
    }

    private void Check(ConformanceCase recorded, string tolerance, string what, float[] actual, float[] expected)
    {
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty(tolerance));
        closeness.Check(what, actual, expected);
        closeness.Report(output, what);
    }

    /// <summary>The recorded model without its prefix.</summary>
    private static ChatGLMForConditionalGeneration LoadBase(ConformanceCase recorded) =>
        AutoModel.FromPretrained(recorded.Folder, new ModelOptions { ConfigOverrides = config => config with { PreSeqLen = null, PrefixProjection = false } });

    private static float[] Logits(ChatGLMForConditionalGeneration model, RecordedTensors expected)
    {
        using var scope = new TensorScope();
        return model.Forward(Inputs(expected)).Logits.ToFloatArray();
    }

    private static RecordedTensors Expected(ConformanceCase recorded) => RecordedTensors.Read(recorded.PathOf("expected.safetensors"));

    private static ModelInputs Inputs(RecordedTensors expected) => ModelTests.StepInputs("", expected) with { Labels = ModelTests.Read(expected, "labels") };

    private static HashSet<string> Trainable(ConformanceCase recorded) => recorded.Json.GetProperty("trainable").EnumerateArray().Select(n => n.GetString()!).ToHashSet();

    private static ChatGLMConfig WithoutDropout(ChatGLMConfig config) => config is ChatGLM2Config second ? second with { HiddenDropout = 0, AttentionDropout = 0 } : config;

    private static double[] Numbers(JsonElement list) => list.EnumerateArray().Select(n => n.GetDouble()).ToArray();

    private static ModelInputs IdsOnly(JsonElement ids)
    {
        var rows = ids.EnumerateArray().Select(r => r.EnumerateArray().Select(t => t.GetInt64()).ToArray()).ToArray();
        return new ModelInputs { InputIds = Tensor.From(rows.SelectMany(r => r).ToArray(), [rows.Length, rows[0].Length]) };
    }

    /// <summary>[batch, heads, length, headDim] as the reference has it: [length, batch, heads, headDim].</summary>
    private static float[] PositionFirst(Tensor x) => x.Backend.Permute(x, [2, 0, 1, 3]).ToFloatArray();
}
