using System.Text;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>P-Tuning v2 snapshots: scores, loss, gradients of the prefix, and generations with it. Their training runs belong to a later package.</summary>
public sealed class PrefixTests(ITestOutputHelper output)
{
    [ConformanceTheory("ptuning_v2"), CasesOf("ptuning_v2")]
    public void Forward_and_backward_give_the_recorded_numbers(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf("expected.safetensors"));
        var tolerance = recorded.Json.GetProperty("tolerance");
        using var model = AutoModel.FromPretrained(recorded.Folder);
        var result = model.Forward(ModelTests.StepInputs("", tensors) with { Labels = ModelTests.Read(tensors, "labels") });
        var logits = Closeness.From(tolerance.GetProperty("logits"));
        logits.Check("logits", result.Logits.ToFloatArray(), tensors.Floats("logits"));
        logits.Check("loss", result.Loss!.ToFloatArray(), tensors.Floats("loss"));
        logits.Report(output, "logits");
        result.Loss.Backward();
        var trainable = recorded.Json.GetProperty("trainable").EnumerateArray().Select(n => n.GetString()!).ToArray();
        model.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Name).Should().Contain(trainable);
        var gradients = model.NamedParameters().ToDictionary(p => p.Name, p => p.Parameter.Grad);
        var closeness = Closeness.From(tolerance.GetProperty("grad"));
        foreach (var name in trainable)
            closeness.Check($"grad.{name}", gradients[name]!.ToFloatArray(), tensors.Floats($"grad.{name}"));
        closeness.Report(output, "gradients");
    }

    [ConformanceTheory("ptuning_v2"), CasesOf("ptuning_v2")]
    public void Generate_gives_the_recorded_tokens(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf("expected.safetensors"));
        using var model = AutoModel.FromPretrained(recorded.Folder);
        foreach (var variant in recorded.ReadJson("generation.json").EnumerateObject())
        {
            var options = GenerationConfig.FromJson(Encoding.UTF8.GetBytes(variant.Value.GetProperty("kwargs").GetRawText()), "kwargs");
            var result = model.Generate(variant.Value.TryGetProperty("input_ids", out var ids) ? GenerationTests.IdsOnly(ids) : ModelTests.StepInputs("prompt.", tensors), options);
            var sequences = variant.Value.GetProperty("sequences").EnumerateArray().Select(s => s.EnumerateArray().Select(n => n.GetInt32()).ToArray()).ToArray();
            result.Sequences.Should().HaveCount(sequences.Length);
            for (var row = 0; row < sequences.Length; row++)
                result.Sequences[row].Should().Equal(sequences[row], "{0}, sequence {1}", variant.Name, row);
            output.WriteLine($"{variant.Name}: {sequences.Length} sequences, no difference");
        }
    }
}
