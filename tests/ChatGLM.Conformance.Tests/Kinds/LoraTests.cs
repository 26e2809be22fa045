using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>LoRA adapters that peft has saved: loaded, switched off, merged, trained through and written again.</summary>
public sealed class LoraTests(ITestOutputHelper output)
{
    [ConformanceTheory("lora"), CasesOf("lora")]
    public void Gives_the_recorded_logits_with_without_and_after_merging(string caseName)
    {
        var (recorded, tensors) = Open(caseName);
        using var scope = new TensorScope();
        using var noGrad = GradMode.NoGrad();
        using var plain = LoadBase(recorded);
        var inputs = Inputs(tensors);
        var plainLogits = plain.Forward(inputs).Logits.ToFloatArray();
        using var peft = PeftModel.FromPretrained(LoadBase(recorded), recorded.PathOf("adapter"));
        var tolerance = recorded.Json.GetProperty("tolerance").GetProperty("logits");
        var closeness = Closeness.From(tolerance);
        var result = peft.Forward(inputs);
        closeness.Check("logits.adapter", result.Logits.ToFloatArray(), tensors.Floats("logits.adapter"));
        closeness.Check("loss.adapter", result.Loss!.ToFloatArray(), tensors.Floats("loss.adapter"));

        using (peft.DisableAdapter())
        {
            var disabled = peft.Forward(inputs).Logits.ToFloatArray();
            // Where modules are saved, the recording ran with originals that it had changed: LoraSavedModulesTests finds them.
            if (tensors.Contains("logits.disabled") && peft.PeftConfigs["default"].ModulesToSave is null)
                closeness.Check("logits.disabled", disabled, tensors.Floats("logits.disabled"));
            else
                disabled.Should().Equal(plainLogits, "without the adapter the base answers, bit for bit");
        }

        var expectedMerged = tensors.Floats(tensors.Contains("logits.merged") ? "logits.merged" : "logits.adapter");
        var before = result.Logits.ToFloatArray();
        peft.MergeAdapter();
        closeness.Check("logits merged", peft.Forward(inputs).Logits.ToFloatArray(), expectedMerged);
        peft.UnmergeAdapter();
        peft.Forward(inputs).Logits.ToFloatArray().Should().Equal(before, "unmerging gives back the bits of the base");

        var merged = peft.MergeAndUnload();
        closeness.Check("logits merged for good", merged.Forward(inputs).Logits.ToFloatArray(), expectedMerged);
        var state = merged.StateDict();
        foreach (var name in tensors.Names.Where(n => n.StartsWith("merged.", StringComparison.Ordinal)))
            closeness.Check(name, state[name["merged.".Length..]].ToFloatArray(), tensors.Floats(name));
        state.Keys.Should().BeEquivalentTo(plain.StateDict().Keys, "nothing of the adapter is left");
        closeness.Report(output, "logits and merged weights");
    }

    [ConformanceTheory("lora"), CasesOf("lora")]
    public void Gives_the_recorded_gradients_of_what_is_trained(string caseName)
    {
        var (recorded, tensors) = Open(caseName);
        foreach (var recomputes in new[] { false, true })
        {
            // The recordings were made without dropout; layers are recomputed in training only.
            using var model = LoadBase(recorded);
            if (recomputes && HasDropout(recorded, model))
                continue;
            using var peft = PeftModel.FromPretrained(model, recorded.PathOf("adapter"), isTrainable: true);
            peft.Train(recomputes);
            model.GradientCheckpointing = recomputes;
            var parameters = peft.NamedParameters().ToDictionary(p => p.Name, p => p.Parameter);
            var expected = Trainable(recorded);
            parameters.Where(p => p.Value.RequiresGrad).Select(p => p.Key).Should().BeEquivalentTo(expected.Select(e => e.Name));
            foreach (var (name, shape) in expected)
                parameters[name].Shape.ToArray().Should().Equal(shape, "{0} has the recorded shape", name);
            peft.Forward(Inputs(tensors)).Loss!.Backward();
            var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("grad"));
            var compared = 0;
            foreach (var key in tensors.Names.Where(n => n.StartsWith("grad.", StringComparison.Ordinal)))
            {
                closeness.Check(key, parameters[OwnName(key["grad.".Length..])].Grad!.ToFloatArray(), tensors.Floats(key));
                compared++;
            }

            compared.Should().Be(expected.Count);
            peft.NamedParameters().Where(p => !p.Parameter.RequiresGrad).Should().OnlyContain(p => p.Parameter.Grad == null, "frozen parameters cost no gradient");
            closeness.Report(output, $"{compared} gradients{(recomputes ? " (recomputed)" : "")}");
        }
    }

    [ConformanceTheory("lora"), CasesOf("lora")]
    public void Counts_the_recorded_parameters(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var peft = PeftModel.FromPretrained(LoadBase(recorded), recorded.PathOf("adapter"), isTrainable: true);
        var count = peft.CountParameters();
        var numbers = recorded.Json.GetProperty("trainable_string").GetString()!.Split("||").Take(2).Select(part => long.Parse(part.Split(':')[1].Replace(",", ""))).ToArray();
        // peft 0.5 left the originals of modules_to_save trainable, though nothing reaches them; later versions freeze them, as we do.
        var unreached = recorded.Json.GetProperty("trainable").EnumerateObject().Where(p => p.Name.Contains(".original_module.", StringComparison.Ordinal))
            .Sum(p => p.Value.EnumerateArray().Aggregate(1L, (product, length) => product * length.GetInt64()));
        count.Trainable.Should().Be(numbers[0] - unreached);
        count.All.Should().Be(numbers[1]);
        output.WriteLine(count.ToString());
    }

    [ConformanceTheory("lora"), CasesOf("lora")]
    public void Writes_the_files_that_peft_wrote(string caseName)
    {
        var (recorded, tensors) = Open(caseName);
        var folder = Directory.CreateTempSubdirectory("chatglm-lora-").FullName;
        try
        {
            using var noGrad = GradMode.NoGrad();
            using var peft = PeftModel.FromPretrained(LoadBase(recorded), recorded.PathOf("adapter"));
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

            using var again = PeftModel.FromPretrained(LoadBase(recorded), folder);
            again.Forward(Inputs(tensors)).Logits.ToFloatArray().Should().Equal(peft.Forward(Inputs(tensors)).Logits.ToFloatArray());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [ConformanceTheory("lora"), CasesOf("lora")]
    public void A_new_adapter_of_the_recorded_options_has_the_recorded_parameters(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var config = PeftConfig.FromPretrained(recorded.PathOf("adapter")) with { InferenceMode = false, TargetModules = OriginalTargets(recorded) };
        using var model = LoadBase(recorded);
        using var peft = model.GetPeftModel(config);
        var trainable = peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => $"{p.Name} {p.Parameter.Shape}");
        trainable.Should().BeEquivalentTo(Trainable(recorded).Select(t => $"{t.Name} {new Shape(t.Shape)}"));
    }

    internal static ChatGLMForConditionalGeneration LoadBase(ConformanceCase recorded) =>
        AutoModel.FromPretrained(Path.GetFullPath(recorded.PathOf(recorded.Json.GetProperty("base").GetString()!)));

    internal static ModelInputs Inputs(RecordedTensors tensors) =>
        ModelTests.StepInputs("", tensors) with { Labels = tensors.Contains("labels") ? ModelTests.Read(tensors, "labels") : null };

    private static (ConformanceCase Recorded, RecordedTensors Tensors) Open(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        return (recorded, RecordedTensors.Read(recorded.PathOf("expected.safetensors")));
    }

    /// <summary>The parameters that are trained, under the names that they have here: the copies of modules_to_save stand in the module's own place.</summary>
    private static List<(string Name, int[] Shape)> Trainable(ConformanceCase recorded) => recorded.Json.GetProperty("trainable").EnumerateObject()
        .Where(p => !p.Name.Contains(".original_module.", StringComparison.Ordinal))
        .Select(p => (OwnName(p.Name), p.Value.EnumerateArray().Select(n => n.GetInt32()).ToArray()))
        .ToList();

    private static string OwnName(string name) => name.Replace(".modules_to_save.default.", ".", StringComparison.Ordinal);

    private static bool HasDropout(ConformanceCase recorded, ChatGLMForConditionalGeneration model) =>
        recorded.Json.GetProperty("config").GetProperty("lora_dropout").GetDouble() > 0 || model.Config is ChatGLM2Config { HiddenDropout: > 0 } or ChatGLM2Config { AttentionDropout: > 0 };

    /// <summary>The targets as they were asked for; the file has what peft made of them.</summary>
    private static TargetModules OriginalTargets(ConformanceCase recorded)
    {
        var targets = recorded.Json.GetProperty("config").GetProperty("target_modules");
        return targets.ValueKind == JsonValueKind.String ? targets.GetString()! : new TargetModules(targets.EnumerateArray().Select(t => t.GetString()!));
    }
}
