using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>
/// What <c>disable_adapter</c> leaves on where modules are saved. The recordings filled everything that peft 0.5 counted as trainable with random numbers, the originals of the saved modules among
/// them, which are then neither the base's nor the adapter's and stand in no file. But the scores are linear in the final norm's weight and bias: a few dozen unknowns, and thousands of recorded values
/// to find them from. If they explain all of these, the recording ran with LoRA off and the original module in place, which is what we do.
/// </summary>
public sealed class LoraSavedModulesTests(ITestOutputHelper output)
{
    [ConformanceTheory("lora"), CasesOf("lora")]
    public void Disabling_runs_the_original_modules_without_lora(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf("expected.safetensors"));
        if (PeftConfig.FromPretrained(recorded.PathOf("adapter")).ModulesToSave is not ["final_layernorm"] || !tensors.Contains("logits.disabled"))
            return;
        using var scope = new TensorScope();
        using var noGrad = GradMode.NoGrad();
        using var model = LoraTests.LoadBase(recorded);
        var inputs = LoraTests.Inputs(tensors);
        var expected = tensors.Floats("logits.disabled");
        var plain = model.Forward(inputs).Logits.ToFloatArray();
        var norm = model.NamedParameters().Where(p => p.Name.Contains("final_layernorm", StringComparison.Ordinal)).Select(p => p.Parameter).ToList();
        SetOriginal(model, norm, Solve(model, inputs, norm, expected));
        using var peft = PeftModel.FromPretrained(model, recorded.PathOf("adapter"));
        var adapted = peft.Forward(inputs).Logits.ToFloatArray();
        Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("logits")).Check("logits.adapter", adapted, tensors.Floats("logits.adapter"));
        var closeness = new Closeness(2e-5);
        using (peft.DisableAdapter())
            closeness.Check("logits.disabled", peft.Forward(inputs).Logits.ToFloatArray(), expected);
        closeness.Report(output, "logits.disabled");
        expected.Zip(plain).Max(p => Math.Abs(p.First - p.Second)).Should().BeGreaterThan(0.1f, "the recording's originals are not the base's");
        expected.Zip(adapted).Max(p => Math.Abs(p.First - p.Second)).Should().BeGreaterThan(0.1f, "nor is the adapter on");
    }

    /// <summary>The values of the norm with which the model gives the scores. Each unknown's own share is what the scores are when it alone is 1.</summary>
    private static float[] Solve(ChatGLMForConditionalGeneration model, ModelInputs inputs, List<Tensor> norm, float[] expected)
    {
        var count = norm.Sum(p => (int)p.ElementCount);
        var shares = new List<float[]>();
        for (var i = 0; i < count; i++)
        {
            var unit = new float[count];
            unit[i] = 1;
            SetOriginal(model, norm, unit);
            shares.Add(model.Forward(inputs).Logits.ToFloatArray());
        }

        return Array.ConvertAll(LeastSquares.Solve(shares, expected), v => (float)v);
    }

    private static void SetOriginal(ChatGLMForConditionalGeneration model, List<Tensor> norm, float[] values)
    {
        var start = 0;
        foreach (var parameter in norm)
        {
            var count = (int)parameter.ElementCount;
            parameter.MakeWritable();
            parameter.DType.Should().Be(DType.Float32);
            parameter.Backend.Write(parameter, 0, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan(start, count)));
            start += count;
        }
    }
}
