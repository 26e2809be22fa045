using System.Text;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests.Tuners;

/// <summary>Every kind of adapter over both families of models: what peft promises of all of them.</summary>
public sealed class TunerMatrixTests
{
    public static TheoryData<string, int> Matrix => TunerCase.NamesAndGenerations();

    public static TheoryData<string> Kinds => TunerCase.Names();

    [Theory, MemberData(nameof(Matrix))]
    public void A_new_adapter_freezes_the_base_and_changes_nothing(string name, int generation)
    {
        var tuner = TunerCase.All[name];
        using var model = TinyModels.Create(generation);
        var before = TinyModels.Logits(model);
        using var peft = model.GetPeftModel(tuner.Fresh);
        if (tuner.StartsNeutral)
            TinyModels.LargestDifference(TinyModels.Logits(model), before).Should().BeLessThan(1e-5);
        var trained = peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Parameter).ToList();
        trained.Should().NotBeEmpty();
        trained.Sum(p => p.ElementCount).Should().Be(peft.CountParameters().Trainable);
        peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Should().OnlyContain(p => p.Name.Contains(".default"));
        var state = peft.GetPeftModelStateDict();
        trained.Should().OnlyContain(p => state.Values.Contains(p), "all that is trained is saved");
    }

    [Theory, MemberData(nameof(Matrix))]
    public void Only_the_adapter_gets_gradients_and_they_are_the_slopes_of_the_loss(string name, int generation)
    {
        using var model = TinyModels.Create(generation);
        using var peft = model.GetPeftModel(TunerCase.All[name].Random);
        peft.Forward(TinyModels.Inputs(rows: 2)).Loss!.Backward();
        var trained = peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).ToList();
        trained.Should().OnlyContain(p => p.Parameter.Grad != null);
        peft.NamedParameters().Where(p => !p.Parameter.RequiresGrad).Should().OnlyContain(p => p.Parameter.Grad == null);
        var length = Math.Sqrt(trained.Sum(p => p.Parameter.Backend.SumOfSquares(p.Parameter.Grad!)));
        length.Should().BeGreaterThan(1e-3);
        if (!TunerCase.All[name].HasWholeGradient)
            return;

        // Along the gradient itself the loss rises by the gradient's length, in a step small enough.
        const double Step = 4e-3;
        var slope = (LossAt(Step) - LossAt(-Step)) / (2 * Step);
        slope.Should().BeApproximately(length, 0.02 * length);

        double LossAt(double step)
        {
            using var noGrad = GradMode.NoGrad();
            using var scope = new TensorScope();
            Move(step);
            var loss = peft.Forward(TinyModels.Inputs(rows: 2)).Loss!.Item();
            Move(-step);
            return loss;
        }

        void Move(double step) => trained.ForEach(p => p.Parameter.Backend.AddInPlace(p.Parameter, p.Parameter.Grad!, (float)(step / length)));
    }

    [Theory, MemberData(nameof(Matrix))]
    public void The_base_may_have_any_format(string name, int generation)
    {
        foreach (var format in new[] { "half", "brain", "8", "4" })
        {
            // The same numbers, once in the format and once widened, so that all that differs is the kernels.
            var half = format == "half" ? DType.Float16 : format == "brain" ? DType.BFloat16 : DType.Float32;
            using var narrow = TinyModels.Create(generation, half);
            if (half == DType.Float32)
                narrow.Quantize(int.Parse(format));
            using var wide = TinyModels.Create(generation);
            Widen(narrow, wide);
            narrow.Generator.ManualSeed(5);
            wide.Generator.ManualSeed(5);
            using var over = narrow.GetPeftModel(TunerCase.All[name].Random);
            using var expected = wide.GetPeftModel(TunerCase.All[name].Random);
            TinyModels.LargestDifference(TinyModels.Logits(narrow), TinyModels.Logits(wide)).Should().BeLessThan(1e-4, format);
            over.Forward(TinyModels.Inputs()).Loss!.Backward();
            expected.Forward(TinyModels.Inputs()).Loss!.Backward();
            var gradients = expected.GetPeftModelStateDict();
            foreach (var (key, tensor) in over.GetPeftModelStateDict().Where(p => p.Value.RequiresGrad))
                TinyModels.LargestDifference(tensor.Grad!.ToFloatArray(), gradients[key].Grad!.ToFloatArray()).Should().BeLessThan(1e-4, "{0} {1}", format, key);
        }
    }

    [Theory, MemberData(nameof(Matrix))]
    public void Several_adapters_take_turns(string name, int generation)
    {
        var config = TunerCase.All[name].Random;
        using var model = TinyModels.Create(generation);
        var (plain, names) = (TinyModels.Logits(model), model.NamedParameters().Select(p => p.Name).ToArray());
        using var peft = model.GetPeftModel(config, "one");
        var one = TinyModels.Logits(model);
        one.Should().NotEqual(plain);
        peft.AddAdapter("two", config with { TargetModules = ["dense_h_to_4h", "dense_4h_to_h"] });
        TinyModels.Logits(model).Should().Equal(one, "a new adapter is not active yet");
        peft.SetAdapter("two");
        var two = TinyModels.Logits(model);
        two.Should().NotEqual(one).And.NotEqual(plain);
        peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Should().OnlyContain(p => p.Name.Contains(".two"));
        peft.SetAdapter("one", "two");
        var both = TinyModels.Logits(model);
        both.Should().NotEqual(one).And.NotEqual(two);
        peft.MergeAdapter();
        if (TunerCase.All[name].MergesInOrder)
            TinyModels.LargestDifference(TinyModels.Logits(model), both).Should().BeLessThan(1e-4 * Size(both), "both are merged in order");
        peft.UnmergeAdapter();
        using (peft.DisableAdapter())
            TinyModels.Logits(model).Should().Equal(plain);
        peft.DeleteAdapter("one");
        peft.ActiveAdapters.Should().Equal("two");
        TinyModels.Logits(model).Should().Equal(two);
        peft.DeleteAdapter("two");
        TinyModels.Logits(model).Should().Equal(plain);
        model.NamedParameters().Select(p => p.Name).Should().Equal(names);
    }

    [Theory, MemberData(nameof(Matrix))]
    public void Merging_gives_the_same_answers_and_unmerging_the_bases_bits(string name, int generation)
    {
        using var model = TinyModels.Create(generation);
        var weights = TinyModels.Snapshot(model);
        using var peft = model.GetPeftModel(TunerCase.All[name].Random);
        var adapted = TinyModels.Logits(model);
        peft.MergeAdapter();
        TinyModels.LargestDifference(TinyModels.Logits(model), adapted).Should().BeLessThan(1e-4 * Size(adapted));
        TinyModels.Logits(model).Should().NotEqual(adapted, "the layers run merged now, so the sums are rounded otherwise");
        peft.UnmergeAdapter();
        TinyModels.Logits(model).Should().Equal(adapted);
        foreach (var (key, values) in weights)
            model.StateDict()[key].ToFloatArray().Should().Equal(values);
        using var folder = new TemporaryFolder();
        peft.MergeAndUnload().SavePretrained(folder.Path);
        using var loaded = AutoModel.FromPretrained(folder.Path);
        loaded.LoadReport!.Unexpected.Should().BeEmpty();
        TinyModels.LargestDifference(TinyModels.Logits(loaded), adapted).Should().BeLessThan(1e-4 * Size(adapted));
    }

    [Theory, MemberData(nameof(Kinds))]
    public void A_quantized_base_takes_no_adapter_for_good(string name)
    {
        using var model = TinyModels.Create(2);
        model.Quantize(4);
        using var peft = model.GetPeftModel(TunerCase.All[name].Random);
        var adapted = TinyModels.Logits(model);
        peft.Invoking(p => p.MergeAndUnload()).Should().Throw<AdapterMergeException>().WithMessage("*without quantization*");
        TinyModels.Logits(model).Should().Equal(adapted);
    }

    [Theory, MemberData(nameof(Matrix))]
    public void What_is_saved_is_loaded(string name, int generation)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(generation);
        using var peft = model.GetPeftModel(TunerCase.All[name].Random with { TaskType = TaskType.CausalLM });
        var adapted = TinyModels.Logits(model);
        peft.SavePretrained(folder.Path);
        using var loaded = PeftModel.FromPretrained(TinyModels.Create(generation), folder.Path);
        TinyModels.Logits(loaded.Model).Should().Equal(adapted);
        loaded.NamedParameters().Should().OnlyContain(p => !p.Parameter.RequiresGrad, "it was loaded to be used");
        loaded.SavePretrained(folder["again"]);
        File.ReadAllBytes(folder["again/adapter_config.json"]).Should().Equal(File.ReadAllBytes(folder["adapter_config.json"]));
        File.ReadAllBytes(folder["again/adapter_model.safetensors"]).Should().Equal(File.ReadAllBytes(folder["adapter_model.safetensors"]));

        // Into a model whose adapter has other values.
        using var other = TinyModels.Create(generation);
        other.Generator.ManualSeed(99);
        using var target = other.GetPeftModel(TunerCase.All[name].Random);
        TinyModels.Logits(other).Should().NotEqual(adapted);
        target.SetPeftModelStateDict(peft.GetPeftModelStateDict());
        TinyModels.Logits(other).Should().Equal(adapted);
        var lacking = peft.GetPeftModelStateDict().Skip(1).ToDictionary(p => p.Key, p => p.Value);
        target.Invoking(t => t.SetPeftModelStateDict(lacking)).Should().Throw<AdapterWeightsException>();
    }

    [Theory, MemberData(nameof(Matrix))]
    public void The_configuration_survives_a_round_trip(string name, int generation)
    {
        var config = TunerCase.All[name].Random with { TaskType = generation == 1 ? TaskType.CausalLM : null, ModulesToSave = ["lm_head"], Revision = "v2", BaseModelNameOrPath = "base" };
        var text = config.ToJson();
        var read = PeftConfig.FromJson(Encoding.UTF8.GetBytes(text));
        read.ToJson().Should().Be(text);
        read.Should().BeEquivalentTo(config, options => options.Excluding(c => c.Origin).Excluding(c => c.Original).RespectingRuntimeTypes());
    }

    [Theory, MemberData(nameof(Matrix))]
    public void Training_lowers_the_loss_and_recomputing_layers_changes_no_bit(string name, int generation)
    {
        var weights = new[] { false, true }.Select(recompute =>
        {
            using var model = TinyModels.Create(generation);
            model.PrepareModelForKbitTraining(recompute);
            using var peft = model.GetPeftModel(WithDropout(TunerCase.All[name].Fresh));
            peft.Train();
            using var optimizer = new AdamW(peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Parameter), new AdamWOptions { LearningRate = 1e-2 });
            var losses = new List<float>();
            for (var step = 0; step < 10; step++)
            {
                using var scope = new TensorScope();
                var loss = peft.Forward(TinyModels.Inputs(rows: 2)).Loss!;
                losses.Add(loss.Item());
                loss.Backward();
                optimizer.Step();
                peft.ZeroGrad();
            }

            losses[^1].Should().BeLessThan(losses[0]);
            return peft.GetPeftModelStateDict().Values.SelectMany(t => t.ToFloatArray()).ToArray();
        }).ToArray();
        weights[1].Should().Equal(weights[0]);
    }

    [Theory, MemberData(nameof(Kinds))]
    public void A_base_of_another_width_is_refused_and_left_as_it_was(string name)
    {
        using var folder = new TemporaryFolder();
        using (var peft = TinyModels.Create(2).GetPeftModel(TunerCase.All[name].Random))
            peft.SavePretrained(folder.Path);
        using var wide = AutoModel.FromConfig(TinyModels.Second with { HiddenSize = 48, FfnHiddenSize = 80 }, new ModelOptions { Seed = 3 });
        var (before, random) = (TinyModels.Snapshot(wide), wide.Generator.GetState());
        wide.Invoking(m => PeftModel.FromPretrained(m, folder.Path)).Should().Throw<AdapterWeightsException>().WithMessage("*left as it was*");
        TinyModels.Snapshot(wide).ShouldBe(before);
        wide.Generator.GetState().Should().Equal(random);
    }

    [Theory, MemberData(nameof(Matrix))]
    public void Targets_are_names_a_pattern_or_all_linear_layers(string name, int generation)
    {
        var config = TunerCase.All[name].Fresh;
        Adapted(config with { TargetModules = ["query_key_value"] }).Should().HaveCount(2).And.OnlyContain(path => path.EndsWith("query_key_value", StringComparison.Ordinal));
        Adapted(config with { TargetModules = @".*layers\.1\..*dense_h_to_4h" }).Should().ContainSingle().Which.Should().Contain("layers.1.").And.EndWith("dense_h_to_4h");
        Adapted(config with { TargetModules = "all-linear" }).Should().HaveCount(generation == 2 ? 9 : 8);
        Adapted(config with { TargetModules = null }).Should().NotBeEmpty().And.OnlyContain(path => path.Contains("layers."));
        var text = config.ToJson();
        const string Unset = "\"layers_to_transform\": null";
        if (text.Contains(Unset))
            Adapted(PeftConfig.FromJson(Encoding.UTF8.GetBytes(text.Replace(Unset, "\"layers_to_transform\": [1]")))).Should().HaveCount(3).And.OnlyContain(path => path.Contains("layers.1."));

        string[] Adapted(PeftConfig asked)
        {
            // What is not a target any more is no feed-forward module either.
            asked = asked is Ia3Config ia3 ? ia3 with { FeedforwardModules = null } : asked;
            using var model = TinyModels.Create(generation);
            var modules = model.NamedModules().ToDictionary(m => m.Name, m => m.Module);
            using var peft = model.GetPeftModel(asked);
            return [.. model.NamedModules().Where(m => modules[m.Name] != m.Module).Select(m => m.Name)];
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public void Whole_modules_are_trained_and_saved_with_it(string name)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(2, DType.BFloat16);
        using var peft = model.GetPeftModel(TunerCase.All[name].Random with { ModulesToSave = ["input_layernorm"] });
        var norm = peft.GetPeftModelStateDict().First(p => p.Key.EndsWith("0.input_layernorm.weight", StringComparison.Ordinal)).Value;
        norm.RequiresGrad.Should().BeTrue();
        norm.Backend.ScaleInPlace(norm, 1.5f);
        var tuned = TinyModels.Logits(model);
        peft.SavePretrained(folder.Path);
        using var again = PeftModel.FromPretrained(TinyModels.Create(2, DType.BFloat16), folder.Path);
        TinyModels.Logits(again.Model).Should().Equal(tuned);
    }

    [Theory, MemberData(nameof(Kinds))]
    public void Kinds_do_not_mix(string name)
    {
        var config = TunerCase.All[name].Fresh;
        using var peft = TinyModels.Create(2).GetPeftModel(config);
        PeftConfig other = config is Ia3Config ? new LoraConfig() : new Ia3Config();
        peft.Invoking(p => p.AddAdapter("other", other)).Should().Throw<AdapterConfigException>().WithMessage("*one kind*");
        peft.PeftConfigs.Keys.Should().Equal("default");
    }

    [Theory, MemberData(nameof(Kinds))]
    public void Embeddings_take_only_adapters_made_for_them(string name)
    {
        var config = TunerCase.All[name].Fresh;
        if (config is LoraConfig { UseDora: false })
            return;
        using var model = TinyModels.Create(2);
        var asked = config is Ia3Config ia3 ? ia3 with { FeedforwardModules = null, TargetModules = ["word_embeddings"] } : config with { TargetModules = ["word_embeddings"] };
        model.Invoking(m => m.GetPeftModel(asked)).Should().Throw<TargetModulesException>().WithMessage("*embedding*linear layers only*");
    }

    /// <summary>All probabilities that the kind has set to 0.1, and rank_dropout among them.</summary>
    private static PeftConfig WithDropout(PeftConfig config)
    {
        var text = config.ToJson();
        foreach (var field in new[] { "lora_dropout", "vera_dropout", "rank_dropout", "module_dropout" })
            text = text.Replace($"\"{field}\": 0.0", $"\"{field}\": 0.1");
        return PeftConfig.FromJson(Encoding.UTF8.GetBytes(text));
    }

    private static double Size(float[] values) => Math.Max(1, values.Max(Math.Abs));

    /// <summary>Gives one model the numbers of another in float32.</summary>
    private static void Widen(ChatGLMForConditionalGeneration narrow, ChatGLMForConditionalGeneration wide)
    {
        foreach (var (path, module) in narrow.NamedModules().ToList())
        {
            wide.TryGetModule(path, out var same).Should().BeTrue();
            if (module is Linear { Weight: RowQuantizedWeight weight })
                ((Linear)same!).SetWeight(new DenseWeight(weight.Backend.Dequantize(weight)));
            var own = same!.OwnParameters.ToDictionary(p => p.Name, p => p.Parameter);
            foreach (var (name, parameter) in module.OwnParameters.Where(p => p.Parameter.DType.IsFloatingPoint() && own.ContainsKey(p.Name)))
                own[name].Backend.WriteSlice(own[name], parameter.DType == DType.Float32 ? parameter : parameter.Backend.Cast(parameter, DType.Float32), 0, 0);
        }
    }
}
