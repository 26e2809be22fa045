using ChatGLM.Models;
using ChatGLM.Peft.Lora;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

/// <summary>First values that are taken out of the base's weights: PiSSA, OLoRA and LoftQ.</summary>
public sealed class ResidualInitTests
{
    private const string Layer = "transformer.encoder.layers.1.self_attention.query_key_value";

    private static LoraConfig Config(InitLoraWeights init) => new() { R = 4, LoraAlpha = 12, TargetModules = ["query_key_value", "dense"], InitLoraWeights = init };

    public static TheoryData<InitLoraWeights, int?> Exact => new() { { InitLoraWeights.Pissa, null }, { InitLoraWeights.Pissa, 3 }, { InitLoraWeights.Olora, null } };

    [Theory]
    [MemberData(nameof(Exact))]
    public void The_model_answers_as_before_and_the_base_keeps_its_bits(InitLoraWeights init, int? iterations)
    {
        using var model = TinyModels.Create(2);
        var (weights, plain) = (TinyModels.Snapshot(model), TinyModels.Logits(model));
        using var peft = model.GetPeftModel(Config(init) with { PissaIterations = iterations });
        TinyModels.LargestDifference(TinyModels.Logits(model), plain).Should().BeLessThan(2e-5, "the adapter and the rest are the weight");
        var residual = ((Linear)Module(model)).Weight;
        using (peft.DisableAdapter())
            TinyModels.Logits(model).Should().Equal(plain, "without the adapter the base answers");
        peft.MergeAdapter();
        TinyModels.LargestDifference(TinyModels.Logits(model), plain).Should().BeLessThan(2e-5);
        peft.UnmergeAdapter();
        ((Linear)Module(model)).Weight.Should().BeSameAs(residual);

        // An ordinary adapter beside it stands on the base's own weight, alone, and on the rest together with it.
        peft.AddAdapter("plain", Config(InitLoraWeights.Default));
        peft.SetAdapter("plain");
        TinyModels.Logits(model).Should().Equal(plain);
        peft.SetAdapter("default", "plain");
        TinyModels.LargestDifference(TinyModels.Logits(model), plain).Should().BeLessThan(2e-5);
        peft.DeleteAdapter("default");
        TinyModels.Logits(model).Should().Equal(plain);
        peft.Unload();
        TinyModels.Snapshot(model).ShouldBe(weights);
    }

    [Theory]
    [InlineData(InitLoraWeights.Pissa)]
    [InlineData(InitLoraWeights.Olora)]
    public void What_stays_and_what_is_taken_out_are_the_weight(InitLoraWeights init)
    {
        using var model = TinyModels.Create(2);
        var weight = model.StateDict()[Layer + ".weight"].ToFloatArray();
        using var peft = model.GetPeftModel(Config(init));
        var state = peft.GetPeftModelStateDict();
        var (a, b) = (state[$"base_model.model.{Layer}.lora_A.weight"], state[$"base_model.model.{Layer}.lora_B.weight"]);
        using var scope = new TensorScope();
        var product = Functional.MatMul(b, a).ToFloatArray();
        var rest = ((DenseWeight)((Linear)Module(model)).Weight).Tensor.ToFloatArray();
        TinyModels.LargestDifference([.. rest.Zip(product, (r, p) => r + (3 * p))], weight).Should().BeLessThan(1e-6, "alpha over r is 3");
        if (init == InitLoraWeights.Olora)
        {
            var square = Functional.MatMul(b, b, true).ToFloatArray();
            square.Select((v, i) => Math.Abs(v - (i % 5 == 0 ? 1 : 0))).Should().OnlyContain(miss => miss < 1e-5, "the columns of Q are at right angles");
            rest.Sum(v => v * v).Should().NotBe(weight.Sum(v => v * v));
        }
        else
        {
            // The best rest of rank 4 there is: what is taken out has no part in it.
            Functional.MatMul(Tensor.From(rest, [64, 32]), a, false, true).ToFloatArray().Should().OnlyContain(v => Math.Abs(v) < 1e-5);
        }
    }

    [Theory]
    [InlineData(InitLoraWeights.Pissa, DType.Float32)]
    [InlineData(InitLoraWeights.Olora, DType.Float32)]
    [InlineData(InitLoraWeights.Loftq, DType.Float32)]
    [InlineData(InitLoraWeights.Pissa, DType.BFloat16)]
    public void A_trained_one_is_saved_and_loaded(InitLoraWeights init, DType dtype)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(2, dtype);
        using var peft = model.GetPeftModel(Config(init) with { LoftqConfig = init == InitLoraWeights.Loftq ? new LoftqConfig { LoftqIter = 2 } : null });
        Change(peft);
        var tuned = TinyModels.Logits(model);
        peft.SavePretrained(folder.Path);
        using var again = PeftModel.FromPretrained(TinyModels.Create(2, dtype), folder.Path);
        ((LoraConfig)again.PeftConfigs["default"]).InitLoraWeights.Should().Be(init);
        TinyModels.Logits(again.Model).Should().Equal(tuned, "the same is taken out of the same base");
        TinyModels.LargestDifference(TinyModels.Logits(again.MergeAndUnload()), tuned).Should().BeLessThan(dtype == DType.Float32 ? 2e-5 : 5e-2);
    }

    [Theory]
    [MemberData(nameof(Exact))]
    public void A_trained_one_is_saved_as_a_plain_adapter_of_twice_the_rank(InitLoraWeights init, int? iterations)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(Config(init) with { PissaIterations = iterations, RankPattern = new Dictionary<string, int> { ["dense"] = 2 }, UseRslora = init == InitLoraWeights.Olora });
        if (init == InitLoraWeights.Olora)
        {
            // As in peft: alpha over the root of the rank is not the same for all layers any more.
            peft.Invoking(p => p.SavePretrainedAsLora(folder.Path)).Should().Throw<AdapterConfigException>().WithMessage("*rank_pattern*");
            return;
        }

        Change(peft);
        var tuned = TinyModels.Logits(model);
        peft.SavePretrainedAsLora(folder.Path);
        var config = (LoraConfig)PeftConfig.FromPretrained(folder.Path);
        config.Should().BeEquivalentTo(new { R = 8, LoraAlpha = 24.0, InitLoraWeights = InitLoraWeights.Default });
        config.RankPattern["dense"].Should().Be(4);
        using var again = PeftModel.FromPretrained(TinyModels.Create(2), folder.Path);
        TinyModels.LargestDifference(TinyModels.Logits(again.Model), tuned).Should().BeLessThan(2e-5);
        peft.PeftConfigs["default"].Should().BeOfType<LoraConfig>().Which.R.Should().Be(4, "the model's own adapter is as it was");
    }

    [Fact]
    public void Loftq_rounds_the_base_and_makes_up_for_it()
    {
        using var model = TinyModels.Create(2);
        var weight = model.StateDict()[Layer + ".weight"].ToFloatArray();
        using var peft = model.GetPeftModel(Config(InitLoraWeights.Loftq) with { R = 16, LoftqConfig = new LoftqConfig { LoftqBits = 4, LoftqIter = 3 } });
        var rounded = ((DenseWeight)((Linear)Module(model)).Weight).Tensor.ToFloatArray();
        foreach (var block in rounded.Chunk(NormalFloat.BlockLength))
            block.Distinct().Count().Should().BeLessThanOrEqualTo(16);
        var state = peft.GetPeftModelStateDict();
        using var scope = new TensorScope();
        var product = Functional.MatMul(state[$"base_model.model.{Layer}.lora_B.weight"], state[$"base_model.model.{Layer}.lora_A.weight"]).ToFloatArray();
        var scaling = 12f / 16;
        var plain = NormalFloat.Round(weight, NormalFloat.Table(4));
        double Lost(Func<int, float> near) => Enumerable.Range(0, weight.Length).Sum(i => Math.Pow(weight[i] - near(i), 2));
        var (with, without) = (Lost(i => rounded[i] + (scaling * product[i])), Lost(i => plain[i]));
        with.Should().BeLessThan(without / 4, "half of the singular values, the larger ones, come back");
    }

    [Fact]
    public void The_levels_are_those_of_qlora()
    {
        // scipy's norm.ppf as peft's create_normal_map uses it.
        double[] four =
        [
            -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
            0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
        ];
        NormalFloat.Table(4).Select((v, i) => Math.Abs(v - four[i])).Should().OnlyContain(miss => miss < 3e-7);
        NormalFloat.Table(2).Select((v, i) => Math.Abs(v - new[] { -1, 0, 0.33791524171829224, 1 }[i])).Should().OnlyContain(miss => miss < 3e-7);
        var eight = NormalFloat.Table(8);
        eight.Should().HaveCount(256).And.BeInAscendingOrder();
        double[] some = [-0.13629035651683807, -0.1311405599117279, -0.12600260972976685, -0.1208759993314743];
        eight[100..104].Select((v, i) => Math.Abs(v - some[i])).Should().OnlyContain(miss => miss < 3e-7);
        var values = new float[NormalFloat.BlockLength];
        (values[0], values[1], values[2]) = (-2, 1.2f, 0.3f);
        NormalFloat.Round(values, NormalFloat.Table(2))[..4].Should().Equal(-2, NormalFloat.Table(2)[2] * 2, 0, 0);
        NormalFloat.Round(new float[64], NormalFloat.Table(4)).Should().OnlyContain(v => v == 0, "a block of zeros has no scale");
    }

    [Fact]
    public void What_cannot_be_taken_apart_is_refused_and_nothing_changes()
    {
        using var quantized = TinyModels.Create(2);
        quantized.Quantize(8);
        quantized.Invoking(m => m.GetPeftModel(Config(InitLoraWeights.Pissa))).Should().Throw<AdapterConfigException>().WithMessage("*init_lora_weights*RowQuantizedWeight*without quantization*");
        using var model = TinyModels.Create(2);
        var weights = TinyModels.Snapshot(model);
        model.Invoking(m => m.GetPeftModel(Config(InitLoraWeights.Olora) with { R = 33 })).Should().Throw<AdapterConfigException>().WithMessage("*33*at most 32*");
        model.Invoking(m => m.GetPeftModel(Config(InitLoraWeights.Loftq) with { LoftqConfig = new LoftqConfig { LoftqBits = 3 } })).Should().Throw<AdapterConfigException>().WithMessage("*loftq_config*3*");
        // The last of the targets cannot take the rank, when the others have been taken apart already.
        model.Invoking(m => m.GetPeftModel(Config(InitLoraWeights.Pissa) with { RankPattern = new Dictionary<string, int> { ["layers.1.self_attention.dense"] = 40 } })).Should().Throw<AdapterConfigException>();
        TinyModels.Snapshot(model).ShouldBe(weights);
        using var peft = model.GetPeftModel(Config(InitLoraWeights.Pissa));
        peft.Invoking(p => p.AddAdapter("second", Config(InitLoraWeights.Olora))).Should().Throw<AdapterConfigException>().WithMessage("*init_lora_weights*SavePretrainedAsLora*");
        peft.AddAdapter("plain", Config(InitLoraWeights.Default));
    }

    [Fact]
    public void A_weight_that_two_layers_share_is_not_changed_for_good()
    {
        using var model = TinyModels.Create(1);
        var plain = TinyModels.Logits(model);
        var peft = model.GetPeftModel(Config(InitLoraWeights.Pissa) with { TargetModules = ["lm_head"] });
        peft.Invoking(p => p.MergeAndUnload()).Should().Throw<AdapterMergeException>().WithMessage("*lm_head*shares*word_embeddings*");
        TinyModels.LargestDifference(TinyModels.Logits(model), plain).Should().BeLessThan(2e-5);
        peft.Unload();
        TinyModels.Logits(model).Should().Equal(plain);
    }

    [Fact]
    public void The_file_names_them_as_peft_does()
    {
        using var folder = new TemporaryFolder();
        void Keeps(LoraConfig config, string field)
        {
            config.SavePretrained(folder.Path);
            File.ReadAllText(folder["adapter_config.json"]).Should().Contain(field);
            var read = (LoraConfig)PeftConfig.FromPretrained(folder.Path);
            (read.InitLoraWeights, read.PissaIterations, read.LoftqConfig).Should().Be((config.InitLoraWeights, config.PissaIterations, config.LoftqConfig));
        }

        Keeps(Config(InitLoraWeights.Pissa), "\"init_lora_weights\": \"pissa\"");
        Keeps(Config(InitLoraWeights.Pissa) with { PissaIterations = 16 }, "\"init_lora_weights\": \"pissa_niter_16\"");
        Keeps(Config(InitLoraWeights.Olora), "\"init_lora_weights\": \"olora\"");
        Keeps(Config(InitLoraWeights.Loftq) with { LoftqConfig = new LoftqConfig { LoftqBits = 2, LoftqIter = 5 } }, "\"loftq_bits\": 2");
        File.WriteAllText(folder["adapter_config.json"], """{"peft_type": "LORA", "init_lora_weights": "pissa_niter_99999999999"}""");
        FluentActions.Invoking(() => PeftConfig.FromPretrained(folder.Path)).Should().Throw<AdapterConfigException>().WithMessage("*pissa_niter*");
    }

    [Fact]
    public void Nothing_is_left_on_loan()
    {
        var backend = new CpuBackend();
        var model = AutoModel.FromConfig(TinyModels.Second, new ModelOptions { Backend = backend, Seed = 7 });
        var before = backend.Memory.LoanedBuffers;
        model.Invoking(m => m.GetPeftModel(Config(InitLoraWeights.Pissa) with { RankPattern = new Dictionary<string, int> { ["layers.1.self_attention.dense"] = 40 } })).Should().Throw<AdapterConfigException>();
        backend.Memory.LoanedBuffers.Should().Be(before);
        model.GetPeftModel(Config(InitLoraWeights.Pissa)).Unload();
        backend.Memory.LoanedBuffers.Should().Be(before);
        var peft = model.GetPeftModel(Config(InitLoraWeights.Pissa));
        peft.AddAdapter("plain", Config(InitLoraWeights.Default));
        peft.SetAdapter("plain");
        peft.Dispose();
        backend.Memory.LoanedBuffers.Should().Be(0);
        backend.Memory.RecoveredBuffers.Should().Be(0);
    }

    private static Module Module(PreTrainedModel model) => model.TryGetModule(Layer, out var module) ? module : throw new InvalidOperationException(Layer);

    /// <summary>As training would: every parameter of the adapter a little.</summary>
    private static void Change(PeftModel peft)
    {
        var generator = new TorchGenerator(8);
        foreach (var tensor in peft.GetPeftModelStateDict().Values)
        {
            var noise = new float[tensor.ElementCount];
            generator.Normal(noise, 0, 0.05);
            tensor.Backend.AddInPlace(tensor, Tensor.From(noise, tensor.Shape, tensor.Backend));
        }
    }
}
