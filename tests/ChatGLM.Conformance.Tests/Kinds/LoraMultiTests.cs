using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>Several adapters on one base, each alone and combined with others.</summary>
public sealed class LoraMultiTests(ITestOutputHelper output)
{
    [ConformanceTheory("lora_multi"), CasesOf("lora_multi")]
    public void Each_adapter_gives_its_recorded_logits_and_merges_and_unmerges(string caseName)
    {
        var (recorded, tensors, peft) = Open(caseName);
        using var _ = peft;
        using var noGrad = GradMode.NoGrad();
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("logits"));
        foreach (var name in Adapters(recorded))
        {
            peft.SetAdapter(name);
            var logits = peft.Forward(LoraTests.Inputs(tensors)).Logits.ToFloatArray();
            if (tensors.Contains($"logits.{name}"))
                closeness.Check($"logits.{name}", logits, tensors.Floats($"logits.{name}"));
            peft.MergeAdapter();
            closeness.Check($"{name} merged", peft.Forward(LoraTests.Inputs(tensors)).Logits.ToFloatArray(), logits);
            peft.UnmergeAdapter();
            peft.Forward(LoraTests.Inputs(tensors)).Logits.ToFloatArray().Should().Equal(logits);
        }

        // Recorded with the first adapter active.
        peft.SetAdapter(Adapters(recorded)[0]);
        peft.MergeAdapter();
        if (tensors.Contains("logits.merge_adapter"))
            closeness.Check("logits.merge_adapter", peft.Forward(LoraTests.Inputs(tensors)).Logits.ToFloatArray(), tensors.Floats("logits.merge_adapter"));
        peft.UnmergeAdapter();
        if (tensors.Contains("logits.unmerge_adapter"))
            closeness.Check("logits.unmerge_adapter", peft.Forward(LoraTests.Inputs(tensors)).Logits.ToFloatArray(), tensors.Floats("logits.unmerge_adapter"));
        closeness.Report(output, "logits");
    }

    [ConformanceTheory("lora_multi"), CasesOf("lora_multi")]
    public void Combinations_give_the_recorded_adapters_and_logits(string caseName)
    {
        var (recorded, tensors, peft) = Open(caseName);
        using var _ = peft;
        using var noGrad = GradMode.NoGrad();
        var logits = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("logits"));
        var changes = new Closeness(recorded.Json.GetProperty("tolerance").GetProperty("delta").GetDouble());
        foreach (var combination in recorded.Json.GetProperty("combinations").EnumerateArray())
        {
            var name = combination.GetProperty("name").GetString()!;
            var adapters = combination.GetProperty("adapters").EnumerateArray().Select(a => a.GetString()!).ToArray();
            var weights = combination.GetProperty("weights").EnumerateArray().Select(w => w.GetSingle()).ToArray();
            var combine = () => peft.AddWeightedAdapter(adapters, weights, name, Options(recorded, combination));
            if (combination.TryGetProperty("error", out var error))
            {
                combine.Should().Throw<AdapterMergeException>($"peft fails here too: {error.GetString()}");
                peft.PeftConfigs.Keys.Should().NotContain(name);
                continue;
            }

            combine();
            var config = (LoraConfig)peft.PeftConfigs[name];
            config.R.Should().Be(combination.GetProperty("r").GetInt32());
            config.LoraAlpha.Should().Be(combination.GetProperty("lora_alpha").GetDouble());
            peft.SetAdapter(name);
            foreach (var key in tensors.Names.Where(n => n.StartsWith($"delta.{name}.", StringComparison.Ordinal)))
                changes.Check(key, Change(peft, name, key[$"delta.{name}.".Length..], "A", "B"), tensors.Floats(key));
            foreach (var side in new[] { "A", "B" })
            {
                if (tensors.Contains($"{name}.lora_{side}"))
                    changes.Check($"{name}.lora_{side}", Parameter(peft, name, "layers.0.query_key_value", side).ToFloatArray(), tensors.Floats($"{name}.lora_{side}"));
            }

            logits.Check($"logits.{name}", peft.Forward(LoraTests.Inputs(tensors)).Logits.ToFloatArray(), tensors.Floats($"logits.{name}"));
            output.WriteLine($"{name}: done");
        }

        changes.Report(output, "changes of the weights");
        logits.Report(output, "logits");
    }

    private static (ConformanceCase Recorded, RecordedTensors Tensors, PeftModelForCausalLM Peft) Open(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var names = Adapters(recorded);
        var peft = PeftModel.FromPretrained(LoraTests.LoadBase(recorded), recorded.PathOf(names[0]), names[0]);
        foreach (var name in names.Skip(1))
            peft.LoadAdapter(recorded.PathOf(name), name);
        return (recorded, RecordedTensors.Read(recorded.PathOf("expected.safetensors")), peft);
    }

    private static string[] Adapters(ConformanceCase recorded) => recorded.Json.GetProperty("adapters").EnumerateArray().Select(a => a.GetString()!).ToArray();

    private static WeightedAdapterOptions Options(ConformanceCase recorded, JsonElement combination) => new()
    {
        CombinationType = combination.GetProperty("type").GetString() switch
        {
            "linear" => CombinationType.Linear,
            "cat" => CombinationType.Cat,
            "svd" => CombinationType.Svd,
            "ties" => CombinationType.Ties,
            "magnitude_prune" => CombinationType.MagnitudePrune,
            "ties_svd" => CombinationType.TiesSvd,
            "magnitude_prune_svd" => CombinationType.MagnitudePruneSvd,
            "dare_linear" => CombinationType.DareLinear,
            "dare_ties" => CombinationType.DareTies,
            "dare_linear_svd" => CombinationType.DareLinearSvd,
            "dare_ties_svd" => CombinationType.DareTiesSvd,
            var other => throw new NotSupportedException($"'{other}' is no way to combine that is known here."),
        },
        SvdRank = combination.TryGetProperty("svd_rank", out var rank) ? rank.GetInt32() : null,
        Density = combination.TryGetProperty("density", out var density) ? density.GetDouble() : null,
        MajoritySign = combination.TryGetProperty("majority_sign_method", out var sign) && sign.GetString() == "frequency" ? MajoritySign.Frequency : MajoritySign.Total,
        SvdClamp = combination.TryGetProperty("svd_clamp", out var clamp) ? clamp.GetDouble() : null,
        Seed = combination.TryGetProperty("seed", out var seed) ? seed.GetUInt64() : null,
        Rules = Version.Parse(recorded.Json.GetProperty("versions").GetProperty("peft").GetString()!) switch
        {
            { Major: 0, Minor: < 9 } => CombinationRules.Peft05,
            { Major: 0, Minor: < 19 } => CombinationRules.Peft09,
            _ => CombinationRules.Peft19,
        },
    };

    /// <summary>The recordings name a layer by its index and its last name.</summary>
    private static Tensor Parameter(PeftModel peft, string adapter, string layer, string side)
    {
        var (index, last) = (layer[..layer.LastIndexOf('.')], layer[(layer.LastIndexOf('.') + 1)..]);
        return peft.GetPeftModelStateDict(adapter).Single(p => p.Key.Contains($".{index}.", StringComparison.Ordinal) && p.Key.EndsWith($".{last}.lora_{side}.weight", StringComparison.Ordinal)).Value;
    }

    private static float[] Change(PeftModel peft, string adapter, string layer, string a, string b)
    {
        using var scope = new TensorScope();
        return Functional.MatMul(Parameter(peft, adapter, layer, b), Parameter(peft, adapter, layer, a)).ToFloatArray();
    }
}
