using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Formats;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>(IA)³ adapters that peft has saved: loaded, switched off, merged, trained through and written again.</summary>
public sealed class Ia3Tests(ITestOutputHelper output)
{
    [ConformanceTheory("IA3"), CasesOf("IA3")]
    public void Gives_the_recorded_logits_with_without_and_after_merging(string caseName)
    {
        var (recorded, tensors) = Open(caseName);
        using var scope = new TensorScope();
        using var noGrad = GradMode.NoGrad();
        using var plain = LoraTests.LoadBase(recorded);
        var inputs = LoraTests.Inputs(tensors);
        var plainLogits = plain.Forward(inputs).Logits.ToFloatArray();
        using var peft = PeftModel.FromPretrained(LoraTests.LoadBase(recorded), recorded.PathOf("adapter"));
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("logits"));
        var result = peft.Forward(inputs);
        closeness.Check("logits.adapter", result.Logits.ToFloatArray(), tensors.Floats("logits.adapter"));
        if (tensors.Contains("loss.adapter"))
            closeness.Check("loss.adapter", result.Loss!.ToFloatArray(), tensors.Floats("loss.adapter"));
        using (peft.DisableAdapter())
            peft.Forward(inputs).Logits.ToFloatArray().Should().Equal(plainLogits);

        var before = result.Logits.ToFloatArray();
        peft.MergeAdapter();
        closeness.Check("logits merged", peft.Forward(inputs).Logits.ToFloatArray(), tensors.Floats("logits.adapter"));
        peft.UnmergeAdapter();
        peft.Forward(inputs).Logits.ToFloatArray().Should().Equal(before, "unmerging gives back the bits of the base");

        var merged = peft.MergeAndUnload();
        closeness.Check("logits merged for good", merged.Forward(inputs).Logits.ToFloatArray(), tensors.Floats("logits.adapter"));
        merged.StateDict().Keys.Should().BeEquivalentTo(plain.StateDict().Keys, "nothing of the adapter is left");
        if (tensors.Contains("logits.merged"))
        {
            // peft 0.5 forgot the biases when it merged, which changed the answers; 0.6 and we do not. With the base's biases put back the recording has to come out.
            if (IsOlderThan(recorded, new Version(0, 6)))
                merged.LoadStateDict(plain.StateDict().Where(p => p.Key.EndsWith(".bias", StringComparison.Ordinal)).ToDictionary(p => p.Key, p => p.Value), strict: false);
            closeness.Check("logits.merged", merged.Forward(inputs).Logits.ToFloatArray(), tensors.Floats("logits.merged"));
        }

        closeness.Report(output, "logits");
    }

    [ConformanceTheory("IA3"), CasesOf("IA3")]
    public void Gives_the_recorded_vectors_and_gradients(string caseName)
    {
        var (recorded, tensors) = Open(caseName);
        // The tolerance of gradients, where the case gives none, is that of the logits.
        var tolerances = recorded.Json.GetProperty("tolerance");
        var closeness = Closeness.From(tolerances.TryGetProperty("grad", out var grad) ? grad : tolerances.GetProperty("logits"));
        foreach (var recomputes in new[] { false, true })
        {
            using var model = LoraTests.LoadBase(recorded);
            using var peft = PeftModel.FromPretrained(model, recorded.PathOf("adapter"), isTrainable: true);
            var parameters = peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).ToDictionary(p => p.Name, p => p.Parameter);
            parameters.Keys.Should().BeEquivalentTo(Recorded("param."));
            foreach (var (name, parameter) in parameters)
            {
                parameter.Shape.ToArray().Select(n => (long)n).Should().Equal(tensors.Shape("param." + name));
                parameter.ToFloatArray().Should().Equal(tensors.Floats("param." + name));
            }

            model.GradientCheckpointing = recomputes;
            if (recomputes && model.Config is not ChatGLM.Models.ChatGLM2Config { HiddenDropout: > 0 } and not ChatGLM.Models.ChatGLM2Config { AttentionDropout: > 0 })
                peft.Train();
            peft.Forward(LoraTests.Inputs(tensors)).Loss!.Backward();
            foreach (var name in Recorded("grad."))
                closeness.Check("grad." + name, parameters[name].Grad!.ToFloatArray(), tensors.Floats("grad." + name));
            closeness.Report(output, $"gradients{(recomputes ? " (recomputed)" : "")}");
        }

        IEnumerable<string> Recorded(string prefix) => tensors.Names.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).Select(n => n[prefix.Length..]);
    }

    [ConformanceTheory("IA3"), CasesOf("IA3")]
    public void Counts_and_writes_what_peft_did(string caseName)
    {
        var (recorded, tensors) = Open(caseName);
        using var peft = PeftModel.FromPretrained(LoraTests.LoadBase(recorded), recorded.PathOf("adapter"), isTrainable: true);
        var numbers = recorded.Json.GetProperty("trainable_string").GetString()!.Split("||").Take(2).Select(part => long.Parse(part.Split(':')[1].Replace(",", ""))).ToArray();
        (peft.CountParameters().Trainable, peft.CountParameters().All).Should().Be((numbers[0], numbers[1]));

        var folder = Directory.CreateTempSubdirectory("chatglm-ia3-").FullName;
        try
        {
            peft.SavePretrained(folder);
            File.ReadAllText(Path.Combine(folder, "adapter_config.json")).Should().Be(File.ReadAllText(recorded.PathOf("adapter/adapter_config.json")));
            using var written = Checkpoint.OpenFirst(folder, "adapter_model.safetensors");
            using var original = Checkpoint.OpenFirst(recorded.PathOf("adapter"), "adapter_model.safetensors", "adapter_model.bin");
            written.Entries.Keys.Should().BeEquivalentTo(original.Entries.Keys);
            foreach (var key in original.Entries.Keys)
            {
                written.Entries[key].Shape.Should().Equal(original.Entries[key].Shape);
                written.Read(key).ToFloatArray().Should().Equal(original.Read(key).ToFloatArray(), "{0} keeps its bits", key);
            }

            // A new adapter of the same options has the same parameters.
            using var model = LoraTests.LoadBase(recorded);
            using var fresh = model.GetPeftModel(PeftConfig.FromPretrained(recorded.PathOf("adapter")) with { InferenceMode = false });
            fresh.GetPeftModelStateDict().Select(p => $"{p.Key} {p.Value.Shape}").Should().BeEquivalentTo(peft.GetPeftModelStateDict().Select(p => $"{p.Key} {p.Value.Shape}"));
            fresh.Forward(LoraTests.Inputs(tensors)).Logits.ToFloatArray().Should().NotEqual(peft.Forward(LoraTests.Inputs(tensors)).Logits.ToFloatArray());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static (ConformanceCase Recorded, RecordedTensors Tensors) Open(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        return (recorded, RecordedTensors.Read(recorded.PathOf("expected.safetensors")));
    }

    private static bool IsOlderThan(ConformanceCase recorded, Version version) => Version.Parse(recorded.Json.GetProperty("versions").GetProperty("peft").GetString()!) < version;
}
