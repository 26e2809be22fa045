using System.Text;
using System.Text.Json;
using ChatGLM.Formats;
using ChatGLM.Peft.AdaLora;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests.Tuners;

/// <summary>How AdaLoRA divides its ranks: against a schedule that peft ran (see Data/README.md), and on a model.</summary>
public sealed class AdaLoraTests : IDisposable
{
    private const string Name = "adalora-schedule";
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Data");
    private static readonly string[] Paths = ["layers.0.a", "layers.1.a"];

    private readonly TensorScope _scope = new();
    private readonly JsonElement _json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, Name + ".json"))).RootElement;
    private readonly Checkpoint _tensors = Checkpoint.OpenFirst(Folder, Name + ".safetensors");

    public void Dispose()
    {
        _tensors.Dispose();
        _scope.Dispose();
    }

    [Fact]
    public void The_schedule_takes_away_what_peft_took_away()
    {
        var (tuner, config, layers) = Start();
        var patterns = _json.GetProperty("patterns").EnumerateArray().ToArray();
        for (var step = 1; step <= patterns.Length; step++)
        {
            Descend(layers, step);
            config = Update(tuner, config, layers, step);
            foreach (var (path, adapter) in layers)
                Near(adapter.E, $"E.{step}.{path}.lora_E");
            if (patterns[step - 1].ValueKind == JsonValueKind.Null)
                config.RankPattern.Should().BeNull();
            else
                config.RankPattern!.Select(Text).Should().BeEquivalentTo(patterns[step - 1].EnumerateObject().Select(p => $"{p.Name} {string.Join(' ', p.Value.EnumerateArray().Select(v => v.GetBoolean()))}"), "step {0}", step);
        }

        config.RankPattern!.Values.Sum(kept => kept.Count(k => k)).Should().Be(config.TargetR * 2);
        config.ToJson().Should().Be(Config("saved_config").ToJson());
        foreach (var (path, adapter) in layers)
        {
            foreach (var parameter in ((IAdapter)adapter).Parameters)
                Near(tuner.ToFile(config, path, parameter), $"saved.base_model.model.{path}.{parameter.FileKey}");
            Near(Layer(path, tuner, adapter).Forward(Read("x")), "y." + IndexOf(path));
        }
    }

    [Fact]
    public void What_was_saved_with_fewer_ranks_is_loaded_and_computes_the_same()
    {
        var config = Config("saved_config");
        var tuner = new AdaLoraTuner();
        foreach (var path in Paths)
        {
            var linear = Base(path);
            var adapter = (AdaLoraAdapter)tuner.Create(path, linear, config, new TorchGenerator(1));
            adapter.Rank.Should().Be(config.RankPattern![path + ".lora_E"].Count(kept => kept));
            foreach (var parameter in adapter.Parameters)
                parameter.Tensor.Backend.WriteSlice(parameter.Tensor, Read($"saved.base_model.model.{path}.{parameter.FileKey}"), 0, 0);
            Near(Layer(path, tuner, adapter).Forward(Read("x")), "y." + IndexOf(path));
        }
    }

    [Fact]
    public void The_loss_has_the_recorded_orthogonal_term()
    {
        var (tuner, config, layers) = Start();
        const float Loss = 1.5f;
        var extra = tuner.ExtraLoss(config, layers.SelectMany(l => l.Adapter.Parameters))!;
        (Loss + extra.Item()).Should().BeApproximately(Read("orth.loss").Item(), 1e-5f);
        extra.Backward();
        foreach (var (path, adapter) in layers)
        {
            Near(adapter.A.Grad!, $"orth.grad.{path}.lora_A");
            Near(adapter.B.Grad!, $"orth.grad.{path}.lora_B");
            adapter.E.Grad.Should().BeNull();
        }
    }

    [Fact]
    public void Matrices_that_are_orthogonal_add_nothing_and_no_nan()
    {
        var a = Tensor.From([1f, 0, 0, 0, 1, 0], [2, 3]);
        a.RequiresGrad = true;
        new AdaLoraTuner().ExtraLoss(new AdaLoraConfig(), [new AdapterParameter("lora_A", "", a)]).Should().BeNull();
    }

    [Theory]
    [InlineData(1, 24, 24, false)] // in the warm-up
    [InlineData(3, 20, 24, true)]
    [InlineData(6, 14, 24, true)]
    [InlineData(7, 13, 24, false)] // no decision between two
    [InlineData(12, 12, 24, true)]
    public void The_budget_falls_with_the_cube_of_the_steps_left(int step, int budget, int initial, bool isDue)
    {
        var config = new AdaLoraConfig { Tinit = 2, Tfinal = 0, DeltaT = 3 };
        RankAllocator.Budget(config, last: 12, initial, target: 12, step).Should().Be((budget, isDue));
    }

    [Fact]
    public void On_a_model_ranks_shrink_to_the_target_and_are_saved_and_loaded_so()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(new AdaLoraConfig { InitR = 6, TargetR = 2, Tinit = 2, Tfinal = 3, DeltaT = 2, TotalStep = 12, TargetModules = ["query_key_value", "dense"] });
        var plainLoss = peft.Model.Forward(TinyModels.Inputs()).Loss!.Item();
        peft.Forward(TinyModels.Inputs()).Loss!.Item().Should().BeGreaterThan(plainLoss + 0.1f, "the orthogonal term is in it");
        using var optimizer = new AdamW(peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Parameter), new AdamWOptions { LearningRate = 1e-2 });
        for (var step = 1; step <= 12; step++)
        {
            using var scope = new TensorScope();
            peft.Forward(TinyModels.Inputs(rows: 2)).Loss!.Backward();
            optimizer.Step();
            peft.UpdateAndAllocate(step);
            peft.ZeroGrad();
        }

        var pattern = ((AdaLoraConfig)peft.PeftConfigs["default"]).RankPattern!;
        pattern.Should().HaveCount(4);
        pattern.Values.Sum(kept => kept.Count(k => k)).Should().Be(8, "two on average are left");
        var tuned = TinyModels.Logits(model);
        peft.SavePretrained(folder.Path);
        using var loaded = PeftModel.FromPretrained(TinyModels.Create(2), folder.Path);
        TinyModels.LargestDifference(TinyModels.Logits(loaded.Model), tuned).Should().BeLessThan(1e-5);
        loaded.GetPeftModelStateDict().Where(p => p.Key.EndsWith("lora_A", StringComparison.Ordinal)).Sum(p => p.Value.Shape[0]).Should().Be(8);
        loaded.SavePretrained(folder["again"]);
        File.ReadAllBytes(folder["again/adapter_model.safetensors"]).Should().Equal(File.ReadAllBytes(folder["adapter_model.safetensors"]));
        File.ReadAllBytes(folder["again/adapter_config.json"]).Should().Equal(File.ReadAllBytes(folder["adapter_config.json"]));

        // What was cut out finds its place again in the model that it came from.
        peft.SetPeftModelStateDict(peft.GetPeftModelStateDict().ToDictionary(p => p.Key, p => p.Value.Backend.Affine(p.Value, 2, 0)));
        TinyModels.Logits(model).Should().NotEqual(tuned);
        peft.SetPeftModelStateDict(loaded.GetPeftModelStateDict());
        TinyModels.LargestDifference(TinyModels.Logits(model), tuned).Should().BeLessThan(1e-5);
        TinyModels.LargestDifference(TinyModels.Logits(loaded.MergeAndUnload()), tuned).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void A_layer_may_lose_all_its_ranks()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(2);
        const string Prefix = "transformer.encoder.layers.";
        var config = new AdaLoraConfig
        {
            InitR = 3, TargetR = 1, TargetModules = ["query_key_value"], InitLoraWeights = false,
            RankPattern = new Dictionary<string, IReadOnlyList<bool>> { [Prefix + "0.self_attention.query_key_value.lora_E"] = [false, false, false], [Prefix + "1.self_attention.query_key_value.lora_E"] = [true, false, true] },
        };
        using var peft = model.GetPeftModel(config);
        var tuned = TinyModels.Logits(model);
        peft.GetPeftModelStateDict().Select(p => p.Value.Shape.ToString()).Should().BeEquivalentTo("[0, 32]", "[0, 1]", "[64, 0]", "[2, 32]", "[2, 1]", "[64, 2]");
        peft.Forward(TinyModels.Inputs()).Loss!.Backward();
        peft.SavePretrained(folder.Path);
        using var loaded = PeftModel.FromPretrained(TinyModels.Create(2), folder.Path);
        TinyModels.Logits(loaded.Model).Should().Equal(tuned);
        TinyModels.LargestDifference(TinyModels.Logits(loaded.MergeAndUnload()), tuned).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Allocation_without_what_it_needs_is_refused()
    {
        using var lora = TinyModels.Create(2).GetPeftModel(new LoraConfig { R = 2 });
        lora.Invoking(p => p.UpdateAndAllocate(1)).Should().Throw<AdapterConfigException>().WithMessage("*ADALORA*");
        using var endless = TinyModels.Create(2).GetPeftModel(new AdaLoraConfig());
        endless.Invoking(p => p.UpdateAndAllocate(1)).Should().Throw<AdapterConfigException>().WithMessage("*total_step*");
        using var growing = TinyModels.Create(2).GetPeftModel(new AdaLoraConfig { InitR = 2, TargetR = 3, TotalStep = 10 });
        growing.Invoking(p => p.UpdateAndAllocate(1)).Should().Throw<AdapterConfigException>().WithMessage("*target_r*");
        using var early = TinyModels.Create(2).GetPeftModel(new AdaLoraConfig { TotalStep = 10 });
        early.Invoking(p => p.UpdateAndAllocate(1)).Should().Throw<AdapterMergeException>().WithMessage("*after Backward*");
    }

    [Theory]
    [InlineData("\"init_r\": 0", "init_r")]
    [InlineData("\"target_r\": -1", "target_r")]
    [InlineData("\"beta1\": 1", "beta1")]
    [InlineData("\"deltaT\": 0", "deltaT")]
    [InlineData("\"use_dora\": true", "use_dora")]
    [InlineData("\"rank_pattern\": [true]", "rank_pattern")]
    [InlineData("\"rank_pattern\": {\"a.lora_E\": [1]}", "rank_pattern")]
    [InlineData("\"rank_pattern\": {\"a\": [true]}", "rank_pattern")]
    public void Configurations_that_make_no_sense_are_refused(string field, string named) =>
        FluentActions.Invoking(() => PeftConfig.FromJson(Encoding.UTF8.GetBytes($"{{\"peft_type\": \"ADALORA\", {field}}}"))).Should().Throw<AdapterConfigException>().WithMessage($"*{named}*");

    [Fact]
    public void A_pattern_under_names_of_a_running_model_is_read()
    {
        var config = (AdaLoraConfig)PeftConfig.FromJson("{\"peft_type\": \"ADALORA\", \"rank_pattern\": {\"layers.0.a.lora_E.default\": [true, false]}}"u8.ToArray());
        config.RankPattern!.Keys.Should().Equal("layers.0.a.lora_E");
    }

    private static char IndexOf(string path) => path["layers.".Length];

    private static string Text(KeyValuePair<string, IReadOnlyList<bool>> p) => $"{p.Key} {string.Join(' ', p.Value)}";

    private static AdaLoraConfig Update(AdaLoraTuner tuner, AdaLoraConfig config, IReadOnlyList<(string, AdaLoraAdapter)> layers, int step) =>
        tuner.Allocator.Update(config, config.TotalStep!.Value, layers, step, gradientScale: 1) is { } pattern ? config with { RankPattern = pattern } : config;

    /// <summary>The recorded gradients, and the step that was made with them.</summary>
    private void Descend(IReadOnlyList<(string Path, AdaLoraAdapter Adapter)> layers, int step)
    {
        foreach (var (path, adapter) in layers)
        {
            foreach (var (kind, _, tensor) in adapter.Parameters)
            {
                tensor.ZeroGrad();
                var gradient = Read($"grad.{step}.{path}.{kind}");
                Functional.Sum(Functional.Multiply(tensor, gradient)).Backward();
                tensor.Backend.AddInPlace(tensor, gradient, -0.05f);
            }
        }
    }

    private (AdaLoraTuner Tuner, AdaLoraConfig Config, IReadOnlyList<(string Path, AdaLoraAdapter Adapter)> Layers) Start()
    {
        var (tuner, config) = (new AdaLoraTuner(), Config("config"));
        return (tuner, config, [.. Paths.Select(path =>
        {
            var adapter = (AdaLoraAdapter)tuner.Create(path, Base(path), config, new TorchGenerator(1));
            foreach (var (kind, _, tensor) in adapter.Parameters)
            {
                tensor.Backend.WriteSlice(tensor, Read($"start.{path}.{kind}"), 0, 0);
                tensor.RequiresGrad = true;
            }

            return (path, adapter);
        })]);
    }

    private Linear Layer(string path, AdaLoraTuner tuner, AdaLoraAdapter adapter)
    {
        var layer = (AdaLoraLinear)tuner.Wrap(Base(path), TinyModels.Create(2));
        layer.Add("default", adapter);
        layer.Activate(["default"]);
        return layer;
    }

    private Linear Base(string path) => new(new DenseWeight(Read($"base.{IndexOf(path)}.weight")), Read($"base.{IndexOf(path)}.bias"));

    private AdaLoraConfig Config(string name) => (AdaLoraConfig)PeftConfig.FromJson(Encoding.UTF8.GetBytes(_json.GetProperty(name).GetRawText()));

    private Tensor Read(string key) => Tensor.From(_tensors.Read(key).ToFloatArray(), _tensors.Read(key).Shape);

    private void Near(Tensor actual, string key)
    {
        var (values, expected) = (actual.ToFloatArray(), _tensors.Read(key).ToFloatArray());
        actual.Shape.ToArray().Should().Equal(_tensors.Read(key).Shape.ToArray(), key);
        for (var i = 0; i < values.Length; i++)
            ((double)values[i]).Should().BeApproximately(expected[i], 1e-5 * Math.Max(1, Math.Abs(expected[i])), "{0}, element {1}", key, i);
    }
}
