using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Models;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>Snapshots of both architectures against recorded runs of the reference: scores, states, losses, gradients, caches and steps.</summary>
public sealed class ModelTests(ITestOutputHelper output)
{
    [ConformanceTheory("model"), CasesOf("model")]
    public void Loads_with_every_weight_in_its_place(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = AutoModel.FromPretrained(recorded.Folder);
        var report = model.LoadReport!;
        report.Missing.Should().BeEmpty();
        report.Misshaped.Should().BeEmpty();
        report.Unexpected.Should().BeEmpty();
        report.Dtype.TorchName().Should().Be(recorded.Json.GetProperty("weights_dtype").GetString()!.Replace("torch.", ""));
        (report.Tied.Count > 0).Should().Be(recorded.Json.GetProperty("tied_word_embeddings").GetBoolean());
    }

    [ConformanceTheory("model"), CasesOf("model")]
    public void Forward_gives_the_recorded_logits_states_and_loss(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = AutoModel.FromPretrained(recorded.Folder);
        using var noGrad = GradMode.NoGrad();
        foreach (var (name, input, tensors) in Inputs(recorded))
        {
            using var scope = new TensorScope();
            var result = model.Forward(ForwardInputs(input, tensors) with { OutputHiddenStates = true });
            Check(recorded, "logits", $"{name}.logits", result.Logits.ToFloatArray(), tensors.Floats("logits"));
            Check(recorded, "loss", $"{name}.loss", result.Loss!.ToFloatArray(), tensors.Floats("loss"));
            var states = tensors.Names.Count(n => n.StartsWith("hidden_states.", StringComparison.Ordinal));
            result.HiddenStates.Should().HaveCount(states);
            for (var i = 0; i < states; i++)
                Check(recorded, "hidden_states", $"{name}.hidden_states.{i}", SequenceFirst(result.HiddenStates[i]), tensors.Floats($"hidden_states.{i}"));
        }
    }

    [ConformanceTheory("model"), CasesOf("model")]
    public void Backward_gives_the_recorded_gradient_of_every_parameter(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        foreach (var checkpointing in new[] { false, true })
        {
            // Layers are recomputed in training only; the recordings were made without dropout.
            using var model = AutoModel.FromPretrained(recorded.Folder, new ModelOptions { ConfigOverrides = WithoutDropout });
            model.Train(checkpointing);
            model.GradientCheckpointing = checkpointing;
            foreach (var (name, input, tensors) in Inputs(recorded))
            {
                if (input.GetProperty("gradients").GetString() is not { } file)
                    continue;
                model.ZeroGrad();
                model.Forward(ForwardInputs(input, tensors)).Loss!.Backward();
                CheckGradients(recorded, $"{name}{(checkpointing ? " (recomputed)" : "")}", model, RecordedTensors.Read(recorded.PathOf(file)));
            }
        }
    }

    [ConformanceTheory("model"), CasesOf("model")]
    public void Prefill_and_forced_steps_give_the_recorded_cache_and_scores(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = AutoModel.FromPretrained(recorded.Folder);
        using var noGrad = GradMode.NoGrad();
        foreach (var (name, _, tensors) in Inputs(recorded))
        {
            using var cache = model.Forward(StepInputs("prompt.", tensors) with { UseCache = true }).PastKeyValues!;
            for (var layer = 0; tensors.Contains($"prefill.past.{layer}.key"); layer++)
            {
                var (key, value) = cache.Export(layer);
                key.Shape.ToArray().Select(n => (long)n).Should().Equal(tensors.Shape($"prefill.past.{layer}.key"));
                Check(recorded, "hidden_states", $"{name}.past.{layer}.key", key.ToFloatArray(), tensors.Floats($"prefill.past.{layer}.key"));
                Check(recorded, "hidden_states", $"{name}.past.{layer}.value", value.ToFloatArray(), tensors.Floats($"prefill.past.{layer}.value"));
            }

            for (var step = 0; tensors.Contains($"step{step}.input_ids"); step++)
            {
                var result = model.Forward(StepInputs($"step{step}.", tensors) with { PastKeyValues = cache });
                Check(recorded, "logits", $"{name}.step{step}", result.Logits.ToFloatArray(), tensors.Floats($"step{step}.logits"));
            }
        }
    }

    [ConformanceTheory("model"), CasesOf("model")]
    public void Decoding_session_gives_the_same_scores_as_the_forced_steps(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = AutoModel.FromPretrained(recorded.Folder);
        foreach (var (name, _, tensors) in Inputs(recorded))
        {
            using var session = DecodingSession.Start(model, StepInputs("prompt.", tensors));
            for (var step = 0; tensors.Contains($"step{step}.input_ids"); step++)
            {
                session.Step(Array.ConvertAll(tensors.Longs($"step{step}.input_ids"), id => (int)id), default);
                var scores = Enumerable.Range(0, session.Rows).SelectMany(row => session.Logits(row).ToArray()).ToArray();
                Check(recorded, "logits", $"{name}.session.step{step}", scores, tensors.Floats($"step{step}.logits"));
            }
        }
    }

    private static IEnumerable<(string Name, JsonElement Input, RecordedTensors Tensors)> Inputs(ConformanceCase recorded) =>
        recorded.Json.GetProperty("inputs").EnumerateObject().Select(i => (i.Name, i.Value, RecordedTensors.Read(recorded.PathOf(i.Value.GetProperty("file").GetString()!))));

    private static ChatGLMConfig WithoutDropout(ChatGLMConfig config) => config is ChatGLM2Config second ? second with { HiddenDropout = 0, AttentionDropout = 0 } : config;

    private static ModelInputs ForwardInputs(JsonElement input, RecordedTensors tensors)
    {
        var given = input.GetProperty("forward_inputs").EnumerateArray().Select(n => n.GetString()!).ToHashSet();
        return new ModelInputs
        {
            InputIds = Read(tensors, "input_ids"),
            AttentionMask = given.Contains("attention_mask") ? Read(tensors, "attention_mask") : null,
            PositionIds = given.Contains("position_ids") ? Read(tensors, "position_ids") : null,
            Labels = Read(tensors, input.GetProperty("labels").GetString()!),
        };
    }

    internal static ModelInputs StepInputs(string prefix, RecordedTensors tensors) => new()
    {
        InputIds = Read(tensors, $"{prefix}input_ids"),
        AttentionMask = tensors.Contains($"{prefix}attention_mask") ? Read(tensors, $"{prefix}attention_mask") : null,
        PositionIds = tensors.Contains($"{prefix}position_ids") ? Read(tensors, $"{prefix}position_ids") : null,
    };

    internal static Tensor Read(RecordedTensors tensors, string name)
    {
        var shape = new Shape(Array.ConvertAll(tensors.Shape(name), n => (int)n));
        return tensors.DType(name) == "BOOL"
            ? Tensor.From(Array.ConvertAll(tensors.Longs(name), n => n != 0), shape)
            : Tensor.From(tensors.Longs(name), shape);
    }

    private static float[] SequenceFirst(Tensor batchFirst) => batchFirst.Backend.Permute(batchFirst, [1, 0, 2]).ToFloatArray();

    private void Check(ConformanceCase recorded, string tolerance, string what, float[] actual, float[] expected)
    {
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty(tolerance));
        closeness.Check(what, actual, expected);
        closeness.Report(output, what);
    }

    private void CheckGradients(ConformanceCase recorded, string name, ChatGLMForConditionalGeneration model, RecordedTensors gradients)
    {
        var parameters = model.NamedParameters().ToDictionary(p => p.Name, p => p.Parameter);
        parameters.Keys.Should().BeEquivalentTo(gradients.Names);
        double largest = 0;
        foreach (var parameter in gradients.Names)
        {
            var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("grads"));
            closeness.Check($"{name}.grad.{parameter}", parameters[parameter].Grad!.ToFloatArray(), gradients.Floats(parameter));
            largest = Math.Max(largest, closeness.LargestError);
        }

        output.WriteLine($"{name}.grads: largest error {largest:G3} over {parameters.Count} parameters");
    }
}
