using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>peft's methods of virtual tokens: as they are trained, as they are saved, and as they come back.</summary>
public sealed class PromptLearningTests(ITestOutputHelper output)
{
    private const string Prefix = "PREFIX_TUNING", Prompt = "PROMPT_TUNING", PTuning = "P_TUNING";

    [ConformanceTheory(Prefix, Prompt, PTuning), CasesOf(Prefix, Prompt, PTuning)]
    public void A_saved_adapter_gives_the_recorded_logits_and_loss(string caseName)
    {
        var (recorded, tensors) = Open(caseName);
        using var scope = new TensorScope();
        using var noGrad = GradMode.NoGrad();
        using var plain = LoraTests.LoadBase(recorded);
        var inputs = LoraTests.Inputs(tensors);
        var plainLogits = plain.Forward(inputs).Logits.ToFloatArray();
        using var peft = PeftModel.FromPretrained(LoraTests.LoadBase(recorded), recorded.PathOf("adapter"));
        var closeness = LogitsTolerance(recorded);
        var result = peft.Forward(inputs);
        result.Logits.Shape.ToArray().Select(n => (long)n).Should().Equal(tensors.Shape("logits.reloaded"), "virtual tokens are scored too, where they are tokens");
        closeness.Check("logits.reloaded", result.Logits.ToFloatArray(), tensors.Floats("logits.reloaded"));
        closeness.Check("logits.adapter", result.Logits.ToFloatArray(), tensors.Floats("logits.adapter"));
        closeness.Check("loss.adapter", result.Loss!.ToFloatArray(), tensors.Floats("loss.adapter"));
        using (peft.DisableAdapter())
            peft.Forward(inputs).Logits.ToFloatArray().Should().Equal(plainLogits, "without the adapter the base answers, bit for bit");
        peft.Forward(inputs).Logits.ToFloatArray().Should().Equal(result.Logits.ToFloatArray());
        FluentActions.Invoking(() => peft.MergeAdapter()).Should().Throw<AdapterMergeException>();
        closeness.Report(output, "logits and loss");
    }

    [ConformanceTheory(Prefix, Prompt, PTuning), CasesOf(Prefix, Prompt, PTuning)]
    public void The_trained_form_gives_the_recorded_logits_gradients_and_count(string caseName)
    {
        var (recorded, tensors) = Open(caseName);
        foreach (var recomputes in new[] { false, true })
        {
            using var peft = Trained(recorded, tensors);
            // peft 0.5 writes every digit of the percentage, later versions four, as we do.
            var counted = recorded.Json.GetProperty("trainable_string").GetString()!;
            peft.CountParameters().ToString().Should().StartWith(counted[..(counted.LastIndexOf(':') + 1)]);
            // Layers are recomputed in training only; nothing here has dropout.
            peft.Train(recomputes);
            peft.BaseModel.GradientCheckpointing = recomputes;
            using var scope = new TensorScope();
            var result = peft.Forward(LoraTests.Inputs(tensors));
            var closeness = LogitsTolerance(recorded);
            closeness.Check("logits.adapter", result.Logits.ToFloatArray(), tensors.Floats("logits.adapter"));
            closeness.Check("loss.adapter", result.Loss!.ToFloatArray(), tensors.Floats("loss.adapter"));
            result.Loss!.Backward();
            // The recordings name no tolerance for gradients: it is that of the prefix recordings, which are of the same kind.
            var gradients = new Closeness(1e-5, 2e-3);
            var parameters = peft.NamedParameters().ToDictionary(p => p.Name, p => p.Parameter);
            var compared = 0;
            foreach (var key in tensors.Names.Where(n => n.StartsWith("grad.", StringComparison.Ordinal)))
            {
                gradients.Check(key, parameters[key["grad.".Length..]].Grad!.ToFloatArray(), tensors.Floats(key));
                compared++;
            }

            compared.Should().Be(parameters.Count(p => p.Value.RequiresGrad)).And.BePositive();
            parameters.Where(p => !p.Value.RequiresGrad).Should().OnlyContain(p => p.Value.Grad == null, "frozen parameters cost no gradient");
            gradients.Report(output, $"{compared} gradients{(recomputes ? " (recomputed)" : "")}");
        }
    }

    [ConformanceTheory(Prefix, Prompt, PTuning), CasesOf(Prefix, Prompt, PTuning)]
    public void Writes_the_files_that_peft_wrote(string caseName)
    {
        var (recorded, tensors) = Open(caseName);
        var folder = Directory.CreateTempSubdirectory("chatglm-prompt-").FullName;
        try
        {
            using var noGrad = GradMode.NoGrad();
            using var original = Checkpoint.OpenFirst(recorded.PathOf("adapter"), "adapter_model.safetensors", "adapter_model.bin");
            using var saved = original.Read("prompt_embeddings");
            using var loaded = PeftModel.FromPretrained(LoraTests.LoadBase(recorded), recorded.PathOf("adapter"));
            using var trained = Trained(recorded, tensors);
            foreach (var peft in new[] { loaded, trained })
            {
                peft.SavePretrained(folder);
                File.ReadAllText(Path.Combine(folder, "adapter_config.json")).Should().Be(File.ReadAllText(recorded.PathOf("adapter/adapter_config.json")));
                using var written = Checkpoint.OpenFirst(folder, "adapter_model.safetensors");
                written.Entries.Keys.Should().Equal("prompt_embeddings");
                written.Entries["prompt_embeddings"].Shape.Should().Equal(original.Entries["prompt_embeddings"].Shape);
                using var tensor = written.Read("prompt_embeddings");
                if (peft == loaded)
                    tensor.ToFloatArray().Should().Equal(saved.ToFloatArray(), "what was read keeps its bits");
                else
                    LogitsTolerance(recorded).Check("prompt_embeddings", tensor.ToFloatArray(), saved.ToFloatArray());
            }

            using var again = LoraTests.LoadBase(recorded);
            var adapter = again.LoadAdapter(folder);
            adapter.Config.Should().BeAssignableTo<PromptLearningConfig>();
            LogitsTolerance(recorded).Check("logits", again.Forward(LoraTests.Inputs(tensors)).Logits.ToFloatArray(), tensors.Floats("logits.reloaded"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The adapter as it was when it was trained, with the recorded parameters under the recorded names.</summary>
    private static PeftModelForCausalLM Trained(ConformanceCase recorded, RecordedTensors tensors)
    {
        var peft = LoraTests.LoadBase(recorded).GetPeftModel(PeftConfig.FromPretrained(recorded.PathOf("adapter")) with { InferenceMode = false });
        var state = tensors.Names.Where(n => n.StartsWith("param.", StringComparison.Ordinal)).ToDictionary(n => n["param.".Length..], n => Tensor.From(tensors.Floats(n), new Shape(Array.ConvertAll(tensors.Shape(n), length => (int)length))));
        peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Name).Should().BeEquivalentTo(state.Keys);
        peft.LoadStateDict(state, strict: false).Unexpected.Should().BeEmpty();
        foreach (var tensor in state.Values)
            tensor.Dispose();
        return peft;
    }

    private static (ConformanceCase Recorded, RecordedTensors Tensors) Open(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        return (recorded, RecordedTensors.Read(recorded.PathOf("expected.safetensors")));
    }

    private static Closeness LogitsTolerance(ConformanceCase recorded) => Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("logits"));
}
