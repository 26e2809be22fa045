using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

/// <summary>One call for whatever adapter a folder holds.</summary>
public sealed class LoadAdapterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<int, bool> Prefixes => new() { { 1, false }, { 1, true }, { 2, false }, { 2, true } };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_adapter_of_peft_is_told_by_its_configuration()
    {
        foreach (var config in new PeftConfig[] { new LoraConfig { R = 2, TargetModules = ["dense"], InitLoraWeights = InitLoraWeights.Random }, new PrefixTuningConfig { NumVirtualTokens = 2 } })
        {
            using (var saved = TinyModels.Create(2).GetPeftModel(config))
                saved.SavePretrained(_folder.Path);
            using var model = TinyModels.Create(2);
            var plain = TinyModels.Logits(model);
            var loaded = model.LoadAdapter(_folder.Path, "mine");
            (loaded.IsPTuningV2, loaded.PeftType, loaded.Prefix, loaded.Path).Should().Be((false, config.PeftType, null, _folder.Path));
            loaded.Config.Should().BeSameAs(loaded.PeftModel!.PeftConfigs["mine"]);
            loaded.ToString().Should().Contain(config.PeftType.ToString());
            TinyModels.Logits(model).Should().NotEqual(plain);
            loaded.Unload().Should().BeSameAs(model);
            TinyModels.Logits(model).Should().Equal(plain);
        }
    }

    [Theory, MemberData(nameof(Prefixes))]
    public void A_prefix_is_read_from_its_tensors(int generation, bool projected)
    {
        using var trained = Prefixed(generation, 5, projected, seed: 3);
        var expected = TinyModels.Logits(trained);
        SavePrefix(trained);
        using var model = TinyModels.Create(generation);
        var (plain, names) = (TinyModels.Logits(model), model.StateDict().Keys.ToList());
        foreach (var path in new[] { _folder.Path, _folder["model.safetensors"] })
        {
            var loaded = model.LoadAdapter(path);
            loaded.Prefix.Should().Be(new PrefixReport { File = _folder["model.safetensors"], PreSeqLen = 5, PrefixProjection = projected, IsWholeModel = false });
            (loaded.IsPTuningV2, loaded.PeftType, loaded.PeftModel, loaded.Config).Should().Be((true, null, null, null));
            loaded.ToString().Should().Contain("of 5");
            (model.Config.PreSeqLen, model.Config.PrefixProjection).Should().Be((5, projected));
            TinyModels.Logits(model).Should().Equal(expected);
            model.StateDict().Keys.Should().BeEquivalentTo(trained.StateDict().Keys);
            model.NamedParameters().Should().OnlyContain(p => !p.Parameter.RequiresGrad, "it is loaded to be used");
            model.Generate([7, 21, 35, 8, 14, 93, 90], new() { MaxNewTokens = 4, EosTokenId = [] }).Sequences[0]
                .Should().Equal(trained.Generate([7, 21, 35, 8, 14, 93, 90], new() { MaxNewTokens = 4, EosTokenId = [] }).Sequences[0]);
            loaded.Unload().Should().BeSameAs(model);
            model.Config.PreSeqLen.Should().BeNull();
            model.StateDict().Keys.Should().Equal(names);
            TinyModels.Logits(model).Should().Equal(plain);
        }

        model.RemovePrefix().Should().BeFalse();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_prefix_that_is_loaded_is_trained_and_saved_like_one_from_the_start(int generation)
    {
        using var trained = Prefixed(generation, 5, projected: true, seed: 3);
        SavePrefix(trained);
        using var model = TinyModels.Create(generation);
        model.Quantize(4);
        model.LoadAdapter(_folder.Path, isTrainable: true);
        model.NamedParameters().Where(p => p.Parameter.RequiresGrad).Should().HaveCount(5).And.OnlyContain(p => p.Name.StartsWith("transformer.prefix_encoder."));
        var gradients = new List<float[]>();
        foreach (var recomputes in new[] { false, true })
        {
            model.Train();
            model.GradientCheckpointing = recomputes;
            model.Generator.ManualSeed(1);
            using var scope = new TensorScope();
            model.Forward(TinyModels.Inputs(rows: 2)).Loss!.Backward();
            gradients.Add(model.NamedParameters().Where(p => p.Parameter.RequiresGrad).SelectMany(p => p.Parameter.Grad!.ToFloatArray()).ToArray());
            model.ZeroGrad();
        }

        gradients[0].Should().Contain(g => g != 0);
        gradients[1].Should().Equal(gradients[0]);
        model.Eval();
        using var whole = new TemporaryFolder();
        model.SavePretrained(whole.Path);
        using var again = AutoModel.FromPretrained(whole.Path);
        again.Config.PreSeqLen.Should().Be(5);
        TinyModels.Logits(again).Should().Equal(TinyModels.Logits(model));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_prefix_replaces_the_one_that_is_there_and_gives_its_memory_back(int generation)
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var model = AutoModel.FromConfig(generation == 1 ? TinyModels.First : TinyModels.Second, new ModelOptions { Backend = backend, Seed = 7 });
        using var five = Prefixed(generation, 5, projected: false, seed: 3);
        SavePrefix(five, DType.BFloat16);
        var buffers = backend.Memory.LoanedBuffers;
        model.LoadPrefix(_folder.Path);
        var first = TinyModels.Snapshot(model);
        var loaded = backend.Memory.LoanedBuffers;
        for (var i = 0; i < 3; i++)
            model.LoadPrefix(_folder.Path);
        backend.Memory.LoanedBuffers.Should().Be(loaded);
        TinyModels.Snapshot(model).ShouldBe(first);
        model.StateDict().Where(p => p.Key.Contains("prefix")).Should().OnlyContain(p => p.Value.DType == DType.Float32);
        model.RemovePrefix();
        backend.Memory.LoanedBuffers.Should().Be(buffers);
        backend.Memory.RecoveredBuffers.Should().Be(0);
    }

    [Fact]
    public void An_old_checkpoint_of_the_whole_model_gives_its_prefix_if_its_base_is_this_one()
    {
        using var trained = Prefixed(2, 5, projected: false, seed: 3);
        trained.SavePretrained(_folder.Path);
        using var model = TinyModels.Create(2);
        model.LoadAdapter(_folder.Path).Prefix!.IsWholeModel.Should().BeTrue();
        TinyModels.Logits(model).Should().Equal(TinyModels.Logits(trained));
        using var half = TinyModels.Create(2, DType.Float16);
        half.LoadAdapter(_folder.Path);
        half.RemovePrefix();
        trained.NamedParameters().First(p => p.Name.EndsWith("input_layernorm.weight", StringComparison.Ordinal)).Parameter.AsSpan<float>()[3] = 1.5f;
        using var other = new TemporaryFolder();
        trained.SavePretrained(other.Path);
        foreach (var plain in new[] { TinyModels.Create(2), half })
        {
            plain.Invoking(m => m.LoadAdapter(other.Path)).Should().Throw<PrefixCheckpointException>().WithMessage("*input_layernorm*more than the prefix was trained*AutoModel*");
            plain.Config.PreSeqLen.Should().BeNull();
            plain.Dispose();
        }
    }

    [Fact]
    public void What_is_no_prefix_or_none_for_this_model_is_refused_with_what_was_found()
    {
        using var model = TinyModels.Create(2);
        var before = TinyModels.Snapshot(model);
        const string Table = "transformer.prefix_encoder.embedding.weight";

        Refuses(("model.layers.0.q_proj.weight", [4, 4])).Message.Should().Contain("no P-Tuning v2 prefix").And.Contain("It holds 1 tensors: model.layers.0.q_proj.weight").And.Contain("another family");
        Refuses(("lora_A.weight", [4, 4])).Message.Should().Contain("LoRA adapter");
        Refuses((Table, [5, 60])).Message.Should().Contain("is [5, 60], this model needs [5, 64]");
        Refuses((Table, [5])).Message.Should().Contain("expected [pre_seq_len, width]");
        Refuses((Table, [5, 64]), ("transformer.prefix_encoder.other.weight", [1])).Message.Should().Contain("'transformer.prefix_encoder.other.weight' is no part");
        Refuses((Table, [5, 64]), ("transformer.prefix_encoder.trans.0.weight", [32, 64])).Message.Should().Contain("not complete").And.Contain("trans.2.bias");
        Refuses(("transformer.prefix_encoder.trans.0.weight", [32, 64])).Message.Should().Contain($"'{Table}' is missing");
        var many = Enumerable.Range(0, 20).Select(i => ($"layer.{i:D2}", new[] { 1 })).ToArray();
        Refuses(many).Message.Should().Contain("It holds 20 tensors").And.Contain("layer.07, ...");

        (TinyModels.Second with { PreSeqLen = 6 }).SavePretrained(_folder.Path);
        Refuses((Table, [5, 64])).Message.Should().Contain("says pre_seq_len 6, prefix_projection false").And.Contain("of 5 without");
        (TinyModels.Second with { PreSeqLen = 5, NumLayers = 3 }).SavePretrained(_folder.Path);
        Refuses((Table, [5, 64])).Message.Should().Contain("for another model").And.Contain("3 layers");
        TinyModels.First.SavePretrained(_folder.Path);
        Refuses((Table, [5, 64])).Message.Should().Contain("ChatGLM-6B");
        (TinyModels.Second with { PreSeqLen = 5 }).SavePretrained(_folder.Path);
        Write((Table, [5, 64]));
        model.LoadAdapter(_folder.Path).Prefix!.PreSeqLen.Should().Be(5);
        model.RemovePrefix();

        File.WriteAllBytes(_folder["model.safetensors"], [1, 2, 3]);
        model.Invoking(m => m.LoadAdapter(_folder.Path)).Should().Throw<CheckpointException>();
        model.Invoking(m => m.LoadAdapter(_folder["nothing"])).Should().Throw<CheckpointException>();
        TinyModels.Snapshot(model).ShouldBe(before);

        PrefixCheckpointException Refuses(params (string Name, int[] Shape)[] tensors)
        {
            Write(tensors);
            var error = model.Invoking(m => m.LoadAdapter(_folder.Path)).Should().Throw<PrefixCheckpointException>().Which;
            error.Found.Should().BeEquivalentTo(tensors.Select(t => t.Name));
            error.Message.Should().EndWith("The model was left as it was.");
            model.Config.PreSeqLen.Should().BeNull();
            model.NamedParameters().Should().OnlyContain(p => p.Parameter.RequiresGrad);
            return error;
        }

        void Write(params (string Name, int[] Shape)[] tensors) =>
            Safetensors.SaveFile(tensors.ToDictionary(t => t.Name, t => Tensor.Zeros(new Shape(t.Shape))), _folder["model.safetensors"]);
    }

    [Fact]
    public void Keys_of_a_peft_prefix_leave_no_room_for_another()
    {
        using var trained = Prefixed(2, 5, projected: false, seed: 3);
        SavePrefix(trained);
        using var peft = TinyModels.Create(2).GetPeftModel(new PrefixTuningConfig { NumVirtualTokens = 2 });
        var logits = TinyModels.Logits(peft.BaseModel);
        peft.BaseModel.Invoking(m => m.LoadAdapter(_folder.Path)).Should().Throw<ModelInputException>().WithMessage("*PrefixTuningEncoder*");
        TinyModels.Logits(peft.BaseModel).Should().Equal(logits);
        peft.DeleteAdapter("default");
        peft.AddAdapter("later", new PrefixTuningConfig { NumVirtualTokens = 2 });
        peft.BaseModel.LoadPrefix(_folder.Path);
        peft.Invoking(p => p.SetAdapter("later")).Should().Throw<ModelInputException>().WithMessage("*RemovePrefix*");
        peft.ActiveAdapters.Should().BeEmpty("it was refused");
    }

    private static ChatGLMForConditionalGeneration Prefixed(int generation, int length, bool projected, ulong seed)
    {
        var model = AutoModel.FromConfig(generation == 1 ? TinyModels.First with { PreSeqLen = length, PrefixProjection = projected } : TinyModels.Second with { PreSeqLen = length, PrefixProjection = projected },
            new ModelOptions { Seed = 7 });
        var generator = new TorchGenerator(seed);
        foreach (var (name, parameter) in model.NamedParameters().Where(p => p.Name.Contains("prefix_encoder")))
            generator.Normal(parameter.AsSpan<float>(), 0, name.EndsWith("bias", StringComparison.Ordinal) ? 0.1 : 0.3);
        return model;
    }

    /// <summary>As the script saves it: the prefix alone.</summary>
    private void SavePrefix(PreTrainedModel model, DType dtype = DType.Float32) => Safetensors.SaveFile(
        model.StateDict().Where(p => p.Key.StartsWith("transformer.prefix_encoder.", StringComparison.Ordinal)).ToDictionary(p => p.Key, p => dtype == DType.Float32 ? p.Value : p.Value.Backend.Cast(p.Value, dtype)),
        _folder["model.safetensors"]);
}
