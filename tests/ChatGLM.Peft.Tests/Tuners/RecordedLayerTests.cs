using System.Text;
using System.Text.Json;
using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests.Tuners;

/// <summary>One layer of each kind as peft's own classes computed it (see Data/README.md): first values, result, gradients, training passes with dropout, merged weights.</summary>
public sealed class RecordedLayerTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Data");

    public static TheoryData<string> Cases
    {
        get
        {
            var data = new TheoryData<string>();
            foreach (var file in Directory.EnumerateFiles(Folder, "*.json").Order(StringComparer.Ordinal))
            {
                if (JsonDocument.Parse(File.ReadAllBytes(file)).RootElement.TryGetProperty("train_seed", out _))
                    data.Add(Path.GetFileNameWithoutExtension(file));
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void First_values_are_pytorchs_for_the_seed(string name)
    {
        var recorded = new Recorded(name);
        var layer = recorded.Wrap();
        foreach (var parameter in layer.Parameters("default"))
            Near(parameter.FileKey, parameter.Tensor, recorded.Floats("init." + parameter.FileKey), 1e-6);
        layer.Parameters("default").Select(p => "init." + p.FileKey).Should().BeEquivalentTo(recorded.Names("init."));
        foreach (var (key, tensor) in recorded.Tuner.Shared.Select(s => (s.Key, s.Tensor)))
            Near(key, tensor, recorded.Floats("shared." + key["base_model.".Length..]), 0);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Result_and_gradients_are_the_recorded_ones(string name)
    {
        using var scope = new TensorScope();
        var recorded = new Recorded(name);
        var layer = recorded.WrapWithParameters();
        var x = recorded.Tensor("x");
        x.RequiresGrad = true;
        var y = ((Linear)layer).Forward(x);
        Near("y", y, recorded.Floats("y"));
        y.Backward(recorded.Tensor("dy"));
        Near("grad.x", x.Grad!, recorded.Floats("grad.x"));
        foreach (var parameter in layer.Parameters("default"))
        {
            Near("grad." + parameter.FileKey, parameter.Tensor.Grad!, recorded.Floats("grad." + parameter.FileKey));
            if (recorded.Has("after." + parameter.FileKey))
                Near("after." + parameter.FileKey, parameter.Tensor, recorded.Floats("after." + parameter.FileKey));
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Training_passes_drop_what_pytorch_drops(string name)
    {
        using var scope = new TensorScope();
        var recorded = new Recorded(name);
        var layer = recorded.WrapWithParameters();
        ((Module)layer).Train();
        recorded.Generator.ManualSeed(recorded.TrainSeed);
        for (var pass = 0; recorded.Has($"train.y{pass}"); pass++)
        {
            foreach (var parameter in layer.Parameters("default"))
                parameter.Tensor.ZeroGrad();
            var y = ((Linear)layer).Forward(recorded.Tensor("train.x"));
            Near($"train.y{pass}", y, recorded.Floats($"train.y{pass}"));
            if (y.RequiresGrad)
                y.Backward(Tensor.Full(y.Shape, 1));
        }

        foreach (var key in recorded.Names("train.grad."))
            Near(key, layer.Parameters("default").Single(p => p.FileKey == key["train.grad.".Length..]).Tensor.Grad!, recorded.Floats(key));
    }

    [Theory, MemberData(nameof(Cases))]
    public void The_merged_weight_is_the_recorded_one(string name)
    {
        var recorded = new Recorded(name);
        var layer = recorded.WrapWithParameters();
        layer.Merge(["default"], "layer");
        var merged = ((Module)layer).OwnParameters.ToDictionary(p => p.Name, p => p.Parameter);
        Near("merged.weight", merged["weight"], recorded.Floats("merged.weight"));
        if (recorded.Has("merged.bias"))
            Near("merged.bias", merged["bias"], recorded.Floats("merged.bias"));
        layer.Unmerge();
        Near("base.weight", ((DenseWeight)((Linear)layer).Weight).Tensor, recorded.Floats("base.weight"), 0);
    }

    [Fact]
    public void New_configurations_are_written_as_peft_writes_them()
    {
        var texts = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "configs.json"))).RootElement;
        foreach (var (type, config) in NewConfigs)
            config.ToJson().Should().Be(texts.GetProperty(type).GetString());
        NewConfigs.Keys.Should().BeEquivalentTo(texts.EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public void An_adapter_on_a_model_has_the_recorded_keys_and_shapes()
    {
        foreach (var recorded in JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "keys.json"))).RootElement.EnumerateObject())
        {
            using var model = TinyModels.Create(2);
            using var peft = model.GetPeftModel(PeftConfig.FromJson(Encoding.UTF8.GetBytes(recorded.Value.GetProperty("config").GetRawText())));
            var expected = recorded.Value.GetProperty("state").EnumerateObject().Select(p => $"{p.Name} [{string.Join(", ", p.Value.EnumerateArray())}]");
            peft.GetPeftModelStateDict().Select(p => $"{p.Key} {p.Value.Shape}").Should().BeEquivalentTo(expected, recorded.Name);
        }
    }

    private static IReadOnlyDictionary<string, PeftConfig> NewConfigs { get; } = new Dictionary<string, PeftConfig>
    {
        ["IA3"] = new Ia3Config { TargetModules = ["a"], FeedforwardModules = ["a"], TaskType = TaskType.CausalLM },
        ["LOHA"] = new LoHaConfig { TargetModules = ["a"], R = 4, Alpha = 16, RankPattern = new Dictionary<string, int> { ["b"] = 2 }, RankDropout = 0.1f },
        ["LOKR"] = new LoKrConfig { TargetModules = ["a"], DecomposeBoth = true, LayersToTransform = [1] },
        ["OFT"] = new OftConfig { TargetModules = ".*a", Coft = true },
        ["VERA"] = new VeraConfig { TargetModules = ["a"], Bias = VeraBias.VeraOnly },
        ["ADALORA"] = new AdaLoraConfig { TargetModules = ["a"], TotalStep = 100, Tinit = 10, Tfinal = 20, DeltaT = 5 },
    };

    private static void Near(string what, Tensor actual, float[] expected, double tolerance = 2e-5)
    {
        var values = actual.ToFloatArray();
        values.Should().HaveSameCount(expected, what);
        for (var i = 0; i < values.Length; i++)
            ((double)values[i]).Should().BeApproximately(expected[i], tolerance * Math.Max(1, Math.Abs(expected[i])), "{0}, element {1}", what, i);
    }

    private sealed class Recorded
    {
        private readonly Checkpoint _tensors;
        private readonly PeftConfig _config;
        private readonly PreTrainedModel _model;

        public Recorded(string name)
        {
            var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, name + ".json"))).RootElement;
            _tensors = Checkpoint.OpenFirst(Folder, name + ".safetensors");
            _config = PeftConfig.FromJson(Encoding.UTF8.GetBytes(json.GetProperty("config").GetRawText()), name);
            _model = TinyModels.Create(2);
            Generator.ManualSeed((ulong)json.GetProperty("seed").GetInt64());
            TrainSeed = (ulong)json.GetProperty("train_seed").GetInt64();
            Tuner = PeftMethod.Of(_config).CreateTuner!();
        }

        public TorchGenerator Generator => _model.Generator;

        public ulong TrainSeed { get; }

        public ITuner Tuner { get; }

        public bool Has(string key) => _tensors.Entries.ContainsKey(key);

        public IEnumerable<string> Names(string prefix) => _tensors.Entries.Keys.Where(k => k.StartsWith(prefix, StringComparison.Ordinal));

        public float[] Floats(string key) => _tensors.Read(key).ToFloatArray();

        public Tensor Tensor(string key) => Tensors.Tensor.From(Floats(key), _tensors.Read(key).Shape);

        public ITunerLayer Wrap()
        {
            var linear = new Linear(new DenseWeight(Tensor("base.weight")), Has("base.bias") ? Tensor("base.bias") : null);
            var net = new Net(linear, Has("other.weight") ? new Linear(new DenseWeight(Tensor("other.weight"))) : null);
            var config = Tuner.Complete(net, _config, Tuner.FindTargets(net, _config));
            var layer = (ITunerLayer)Tuner.Wrap(linear, _model);
            layer.Add("default", Tuner.Create("layer", linear, config, Generator));
            layer.Activate(["default"]);
            return layer;
        }

        public ITunerLayer WrapWithParameters()
        {
            var layer = Wrap();
            foreach (var parameter in layer.Parameters("default"))
            {
                parameter.Tensor.Backend.WriteSlice(parameter.Tensor, Tensor("param." + parameter.FileKey), 0, 0);
                parameter.Tensor.RequiresGrad = true;
            }

            return layer;
        }
    }

    private sealed class Net : Module
    {
        public Net(Linear layer, Linear? other)
        {
            Child("layer", layer);
            if (other is not null)
                Child("other", other);
        }
    }
}
