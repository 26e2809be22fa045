using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

public sealed class PeftModelTests
{
    private static LoraConfig Random(int rank = 4, float dropout = 0) => new() { R = rank, LoraAlpha = 8, TargetModules = ["query_key_value", "dense"], InitLoraWeights = InitLoraWeights.Random, LoraDropout = dropout };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_new_adapter_changes_nothing_and_freezes_the_base(int generation)
    {
        using var model = TinyModels.Create(generation);
        var before = TinyModels.Logits(model);
        using var peft = model.GetPeftModel(new LoraConfig { R = 4, TargetModules = ["query_key_value"] });
        TinyModels.Logits(model).Should().Equal(before);
        peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Should().OnlyContain(p => p.Name.Contains(".lora_")).And.HaveCount(4);
        peft.CountParameters().Trainable.Should().Be(peft.GetPeftModelStateDict().Values.Sum(t => t.ElementCount));
    }

    [Fact]
    public void The_parameters_are_printed_as_peft_prints_them()
    {
        using var peft = TinyModels.Create(1).GetPeftModel(new LoraConfig { R = 8, TargetModules = ["query_key_value"] });
        using var writer = new StringWriter();
        peft.PrintTrainableParameters(writer);
        // Two layers of A [8, 32] and B [96, 8], on a base of 96 tied embeddings and two layers.
        var all = peft.BaseModel.NamedParameters().Sum(p => p.Parameter.ElementCount);
        writer.ToString().Trim().Should().Be($"trainable params: 2,048 || all params: {all:N0} || trainable%: {100.0 * 2048 / all:F4}");
        new TrainableParameters(1_949_696, 6_245_533_696).ToString().Should().EndWith("trainable%: 0.0312");
    }

    [Fact]
    public void First_values_follow_pytorchs_draws()
    {
        using var model = TinyModels.Create(2);
        var witness = new TorchGenerator(123);
        model.Generator.ManualSeed(123);
        using var peft = model.GetPeftModel(new LoraConfig { R = 4, TargetModules = [@"transformer.encoder.layers.0.self_attention.query_key_value"] });
        var (a, b) = (new float[4 * 32], new float[64 * 4]);
        Init.Linear(a, [], 32, witness); // nn.Linear(32, 4)
        Init.Linear(b, [], 4, witness); // nn.Linear(4, 64)
        Init.KaimingUniform(a, 32, Math.Sqrt(5), witness); // reset_lora_parameters
        var state = peft.GetPeftModelStateDict();
        state.Single(p => p.Key.EndsWith("lora_A.weight", StringComparison.Ordinal)).Value.ToFloatArray().Should().Equal(a);
        state.Single(p => p.Key.EndsWith("lora_B.weight", StringComparison.Ordinal)).Value.ToFloatArray().Should().OnlyContain(v => v == 0);
        model.Generator.NextUInt32().Should().Be(witness.NextUInt32(), "no more and no fewer numbers were drawn");
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.BFloat16)]
    [InlineData(DType.Float16)]
    public void Merging_gives_the_adapters_answers_and_unmerging_the_bases_bits(DType dtype)
    {
        using var model = TinyModels.Create(2, dtype);
        var weights = TinyModels.Snapshot(model);
        var plain = TinyModels.Logits(model);
        using var peft = model.GetPeftModel(Random());
        var adapted = TinyModels.Logits(model);
        adapted.Should().NotEqual(plain);
        peft.MergeAdapter();
        peft.MergedAdapters.Should().Equal("default");
        // Half precision rounds the merged weight: 2^-8 of it for bfloat16, over two layers.
        TinyModels.LargestDifference(TinyModels.Logits(model), adapted).Should().BeLessThan(dtype switch { DType.Float32 => 1e-5, DType.Float16 => 5e-3, _ => 5e-2 });
        using (peft.DisableAdapter())
            TinyModels.Logits(model).Should().Equal(plain, "merged adapters can be switched off too");
        peft.UnmergeAdapter();
        TinyModels.Logits(model).Should().Equal(adapted);
        peft.Unload().Should().BeSameAs(model);
        TinyModels.Snapshot(model).ShouldBe(weights);
        TinyModels.Logits(model).Should().Equal(plain);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_merged_model_is_a_plain_snapshot(int generation)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(generation);
        var peft = model.GetPeftModel(Random());
        var adapted = TinyModels.Logits(model);
        peft.MergeAndUnload().SavePretrained(folder.Path);
        using var loaded = AutoModel.FromPretrained(folder.Path);
        loaded.LoadReport!.Unexpected.Should().BeEmpty();
        TinyModels.LargestDifference(TinyModels.Logits(loaded), adapted).Should().BeLessThan(1e-5);
    }

    [Fact]
    public void Dora_merges_into_what_it_computes()
    {
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(Random() with { UseDora = true });
        var magnitudes = peft.GetPeftModelStateDict().Where(p => p.Key.EndsWith("lora_magnitude_vector", StringComparison.Ordinal)).ToList();
        magnitudes.Should().HaveCount(4);
        foreach (var (_, tensor) in magnitudes)
            tensor.Backend.AddInPlace(tensor, Tensor.Full(tensor.Shape, 0.05));
        var adapted = TinyModels.Logits(model);
        peft.MergeAdapter();
        TinyModels.LargestDifference(TinyModels.Logits(model), adapted).Should().BeLessThan(2e-5);
    }

    [Fact]
    public void Several_adapters_take_turns_and_add_up()
    {
        using var model = TinyModels.Create(2);
        var plain = TinyModels.Logits(model);
        using var peft = model.GetPeftModel(Random(), "one");
        peft.AddAdapter("two", Random(2) with { TargetModules = ["dense_h_to_4h", "query_key_value"] });
        peft.ActiveAdapters.Should().Equal("one");
        var one = TinyModels.Logits(model);
        peft.SetAdapter("two");
        var two = TinyModels.Logits(model);
        two.Should().NotEqual(one);
        peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Should().OnlyContain(p => p.Name.Contains(".two."), "only the active adapter is trained");
        peft.SetAdapter("one", "two");
        TinyModels.Logits(model).Should().NotEqual(one).And.NotEqual(two);
        peft.SetAdapter("one");
        TinyModels.Logits(model).Should().Equal(one);
        using (peft.DisableAdapter())
        {
            using (peft.DisableAdapter())
                TinyModels.Logits(model).Should().Equal(plain);
            TinyModels.Logits(model).Should().Equal(plain, "the outer scope is still open");
        }

        peft.DeleteAdapter("one");
        peft.ActiveAdapters.Should().Equal("two");
        TinyModels.Logits(model).Should().Equal(two);
        peft.DeleteAdapter("two");
        TinyModels.Logits(model).Should().Equal(plain);
        model.NamedParameters().Should().NotContain(p => p.Name.Contains("lora_"));
    }

    [Fact]
    public void Generation_goes_through_the_adapter()
    {
        using var model = TinyModels.Create(2);
        var greedy = new GenerationConfig { MaxNewTokens = 12, DoSample = false };
        var plain = model.Generate([7, 21, 35], greedy).Sequences[0];
        using var peft = model.GetPeftModel(Random() with { LoraAlpha = 64 });
        var inputs = new ModelInputs { InputIds = Tensor.From(new long[] { 7, 21, 35 }, [1, 3]) };
        var adapted = peft.Generate(inputs, greedy).Sequences[0];
        adapted.Should().NotEqual(plain);
        peft.MergeAdapter();
        peft.Generate(inputs, greedy).Sequences[0].Should().Equal(adapted);
        using (peft.DisableAdapter())
            peft.Generate(inputs, greedy).Sequences[0].Should().Equal(plain);
    }

    [Fact]
    public void Saved_modules_are_trained_as_copies_of_their_own()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(2, DType.BFloat16);
        var plain = TinyModels.Logits(model);
        using var peft = model.GetPeftModel(new LoraConfig { R = 2, ModulesToSave = ["final_layernorm"] });
        var key = "base_model.model.transformer.encoder.final_layernorm.weight";
        var copy = peft.GetPeftModelStateDict()[key];
        copy.RequiresGrad.Should().BeTrue();
        copy.DType.Should().Be(DType.Float32);
        copy.Backend.ScaleInPlace(copy, 1.5f);
        var tuned = TinyModels.Logits(model);
        tuned.Should().NotEqual(plain);
        using (peft.DisableAdapter())
            TinyModels.Logits(model).Should().Equal(plain);
        TinyModels.Logits(model).Should().Equal(tuned);
        peft.SavePretrained(folder.Path);
        using var again = PeftModel.FromPretrained(TinyModels.Create(2, DType.BFloat16), folder.Path);
        TinyModels.Logits(again.Model).Should().Equal(tuned);
        TinyModels.Logits(again.MergeAndUnload()).Should().Equal(tuned);
        TinyModels.Logits(peft.Unload()).Should().Equal(plain);
    }

    [Fact]
    public void A_classifiers_head_is_saved_without_being_asked()
    {
        using var folder = new TemporaryFolder();
        var config = TinyModels.Second with { NumLabels = 3 };
        using var model = AutoModelForSequenceClassification.FromConfig(config, new ModelOptions { Seed = 7 });
        PeftModelForSequenceClassification peft = model.GetPeftModel(new LoraConfig { R = 2, TaskType = TaskType.SequenceClassification, InitLoraWeights = InitLoraWeights.Random });
        peft.GetPeftModelStateDict().Keys.Should().Contain("base_model.model.classifier_head.weight");
        var logits = Scores(model);
        peft.SavePretrained(folder.Path);
        using var other = AutoModelForSequenceClassification.FromConfig(config, new ModelOptions { Seed = 7 });
        Scores(PeftModel.FromPretrained(other, folder.Path).Model).Should().Equal(logits);

        static float[] Scores(ChatGLMForSequenceClassification model) => model.Forward(TinyModels.Inputs() with { Labels = null }).Logits.ToFloatArray();
    }

    [Fact]
    public void The_class_goes_by_the_model_and_its_task()
    {
        using var folder = new TemporaryFolder();
        var config = new LoraConfig { R = 2, TargetModules = ["query_key_value"], InitLoraWeights = InitLoraWeights.Random };
        using var model = TinyModels.Create(2);
        model.SavePretrained(folder["base"]);
        model.GetPeftModel(config).Should().BeOfType<PeftModelForCausalLM>().Which.Unload();
        var peft = model.GetPeftModel(config with { TaskType = TaskType.Seq2SeqLM, BaseModelNameOrPath = folder["base"] });
        peft.Should().BeOfType<PeftModelForSeq2SeqLM>();
        var logits = TinyModels.Logits(model);
        peft.SavePretrained(folder["adapter"]);
        using PeftModelForSeq2SeqLM loaded = AutoPeftModelForSeq2SeqLM.FromPretrained(folder["adapter"]);
        TinyModels.Logits(loaded.Model).Should().Equal(logits);
        using (var any = AutoPeftModel.FromPretrained(folder["adapter"]))
            any.Should().BeOfType<PeftModelForSeq2SeqLM>();
        using (var causal = AutoPeftModelForCausalLM.FromPretrained(folder["adapter"]))
            TinyModels.Logits(causal.Model).Should().Equal(logits);
        peft.Unload();
        model.GetPeftModel(config with { TaskType = TaskType.CausalLM, BaseModelNameOrPath = folder["base"] }).SavePretrained(folder["other"]);
        FluentActions.Invoking(() => AutoPeftModelForSeq2SeqLM.FromPretrained(folder["other"])).Should().Throw<AdapterConfigException>().WithMessage("*task_type*CausalLM*AutoPeftModel*");
    }

    [Fact]
    public void Trained_biases_are_saved_and_loaded()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(1);
        using var peft = model.GetPeftModel(Random() with { Bias = LoraBias.LoraOnly });
        var biases = peft.NamedParameters().Where(p => p.Name.EndsWith(".bias", StringComparison.Ordinal) && p.Parameter.RequiresGrad).ToList();
        biases.Should().HaveCount(4);
        foreach (var (_, bias) in biases)
            bias.Backend.AddInPlace(bias, Tensor.Full(bias.Shape, 0.1));
        var tuned = TinyModels.Logits(model);
        peft.SavePretrained(folder.Path);
        using var again = PeftModel.FromPretrained(TinyModels.Create(1), folder.Path);
        TinyModels.Logits(again.Model).Should().Equal(tuned);
        again.Invoking(p => p.AddAdapter("other", Random())).Should().Throw<AdapterConfigException>().WithMessage("*bias*");
    }

    [Fact]
    public void Adapters_of_other_names_are_saved_in_folders_of_their_own()
    {
        using var folder = new TemporaryFolder();
        using var peft = TinyModels.Create(2).GetPeftModel(Random());
        peft.AddAdapter("poems", Random(2));
        peft.SavePretrained(folder.Path);
        File.Exists(folder["adapter_model.safetensors"]).Should().BeTrue();
        PeftConfig.FromPretrained(folder["poems"]).Should().BeOfType<LoraConfig>().Which.R.Should().Be(2);
        PeftConfig.FromPretrained(folder.Path).InferenceMode.Should().BeTrue();
        Directory.EnumerateFiles(folder.Path, "*.partial", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Fact]
    public void Dropout_draws_in_the_sequence_first_order_of_the_reference()
    {
        using var scope = new TensorScope();
        var x = Tensor.Full([2, 3, 8], 1);
        var dropped = Lora.SequenceFirstDropout.Apply(x, 0.5f, new TorchGenerator(5), training: true).ToFloatArray();
        var mask = new float[3 * 2 * 8];
        new TorchGenerator(5).DropoutMask(mask, 0.5);
        for (var seq = 0; seq < 3; seq++)
        {
            for (var row = 0; row < 2; row++)
                dropped.AsSpan(((row * 3) + seq) * 8, 8).ToArray().Should().Equal(mask.AsSpan(((seq * 2) + row) * 8, 8).ToArray());
        }
    }

    [Theory]
    [InlineData(false, 0.1f)]
    [InlineData(true, 0.1f)]
    [InlineData(true, 0f)]
    public void Training_lowers_the_loss_and_recomputing_layers_changes_no_bit(bool dora, float dropout)
    {
        var weights = new[] { false, true }.Select(recompute =>
        {
            using var model = TinyModels.Create(2);
            model.PrepareModelForKbitTraining(recompute);
            using var peft = model.GetPeftModel(Random(4, dropout) with { UseDora = dora });
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

            losses[^1].Should().BeLessThan(losses[0] * 0.9f);
            return peft.GetPeftModelStateDict().Values.SelectMany(t => t.ToFloatArray()).ToArray();
        }).ToArray();
        weights[1].Should().Equal(weights[0]);
    }
}
