using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

public sealed class QuantizationTests
{
    private static readonly ChatGLM6BConfig WithEmbeddings = TinyModels.First with { QuantizationEmbeddings = true };

    public static TheoryData<int, int, DType> GenerationsBitsAndTypes()
    {
        var data = new TheoryData<int, int, DType>();
        foreach (var generation in new[] { 1, 2 })
        {
            foreach (var bits in new[] { 8, 4 })
            {
                foreach (var dtype in new[] { DType.Float32, DType.Float16, DType.BFloat16 })
                    data.Add(generation, bits, dtype);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(GenerationsBitsAndTypes))]
    public void Quantizing_while_loading_and_afterwards_and_from_a_saved_file_give_the_same_bits(int generation, int bits, DType dtype)
    {
        using var dense = new TemporaryFolder();
        using var packed = new TemporaryFolder();
        TinyModels.Save(dense, TinyModels.Of(generation), dtype);
        using var whileLoading = AutoModel.FromPretrained(dense.Path, new ModelOptions { QuantizationBit = bits });
        using var afterwards = AutoModel.FromPretrained(dense.Path);
        afterwards.Quantize(bits);
        afterwards.SavePretrained(packed.Path, new SaveOptions { MaxShardSize = "10KB" });
        using var loaded = AutoModel.FromPretrained(packed.Path);
        var expected = whileLoading.StateDict();
        foreach (var model in new[] { afterwards, loaded })
        {
            model.Config.QuantizationBit.Should().Be(bits);
            var state = model.StateDict();
            state.Keys.Should().BeEquivalentTo(expected.Keys);
            foreach (var (name, tensor) in expected)
            {
                state[name].DType.Should().Be(tensor.DType, name);
                Bytes(state[name]).AsSpan().SequenceEqual(Bytes(tensor)).Should().BeTrue("{0} has the same bits", name);
            }
        }

        loaded.LoadReport!.Unexpected.Should().BeEmpty();
        loaded.LoadReport.Bytes.Should().Be(loaded.NamedParameters().Sum(p => p.Parameter.ByteLength));
        whileLoading.LoadReport!.Bytes.Should().Be(loaded.LoadReport.Bytes);
        AutoConfig.FromPretrained(packed.Path).TorchDtype.Should().Be(dtype, "the integers are not the type of the weights");
        loaded.NamedParameters().Should().OnlyContain(p => p.Parameter.Storage is MappedFile, "a quantized snapshot is used in place");
    }

    [Theory]
    [InlineData(1, "transformer.layers.")]
    [InlineData(2, "transformer.encoder.layers.")]
    public void The_four_linear_layers_of_each_layer_are_quantized_and_nothing_else(int generation, string layers)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation), DType.Float16);
        model.Quantize(8);
        var packed = model.NamedParameters().Where(p => p.Parameter.DType == DType.Int8).Select(p => p.Name).ToList();
        packed.Should().HaveCount(4 * model.Config.NumLayers).And.OnlyContain(n => n.StartsWith(layers));
        model.NamedParameters().Where(p => p.Name.EndsWith("weight_scale")).Select(p => p.Name).Should().BeEquivalentTo(packed.Select(n => $"{n}_scale"));
    }

    [Theory]
    [InlineData(1, 8, 0.02)]
    [InlineData(2, 8, 0.02)]
    [InlineData(1, 4, 0.3)]
    [InlineData(2, 4, 0.3)]
    public void The_scores_stay_near_those_of_the_dense_model(int generation, int bits, double tolerance)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        using var model = TinyModels.Create(TinyModels.Of(generation));
        var ids = TinyModels.Ids(TinyModels.Prompt.Select(i => (long)i).ToArray());
        var before = model.Forward(ids).Logits.ToFloatArray();
        model.Quantize(bits);
        var after = model.Forward(ids).Logits.ToFloatArray();
        var difference = Math.Sqrt(before.Zip(after, (b, a) => Math.Pow(b - a, 2)).Sum() / before.Sum(b => Math.Pow(b, 2)));
        difference.Should().BeInRange(1e-6, tolerance, "of the scores' own size");
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Embeddings_are_quantized_where_the_config_says_so_and_shared_with_the_output_layer(int bits)
    {
        using var packed = new TemporaryFolder();
        using var fresh = AutoModel.FromConfig(WithEmbeddings, new ModelOptions { Dtype = DType.Float16, Seed = 7, QuantizationBit = bits });
        var state = fresh.StateDict();
        state["transformer.word_embeddings.weight"].DType.Should().Be(DType.Int8);
        state["lm_head.weight"].Should().BeSameAs(state["transformer.word_embeddings.weight"]);
        state["lm_head.weight_scale"].Should().BeSameAs(state["transformer.word_embeddings.weight_scale"]);
        fresh.SavePretrained(packed.Path);
        using var loaded = AutoModel.FromPretrained(packed.Path);
        loaded.LoadReport!.Tied.Should().BeEquivalentTo("lm_head.weight", "lm_head.weight_scale");
        loaded.Config.Should().BeOfType<ChatGLM6BConfig>().Which.QuantizationEmbeddings.Should().BeTrue();
        var options = new GenerationConfig { MaxNewTokens = 5, EosTokenId = [] };
        loaded.Generate(TinyModels.Prompt, options).Sequences[0].Should().Equal(fresh.Generate(TinyModels.Prompt, options).Sequences[0]);

        // The same as a model that computes with the dequantized tables.
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        using var dense = AutoModel.FromConfig(TinyModels.First, new ModelOptions { Dtype = DType.Float32 });
        dense.LoadStateDict(Dequantized(fresh), strict: false).Unexpected.Should().BeEmpty();
        var ids = TinyModels.Ids(TinyModels.Prompt.Select(i => (long)i).ToArray());
        var (expected, actual) = (dense.Forward(ids).Logits.ToFloatArray(), fresh.Forward(ids).Logits.ToFloatArray());
        for (var i = 0; i < expected.Length; i++)
            actual[i].Should().BeApproximately(expected[i], 1e-4f * Math.Max(1, Math.Abs(expected[i])));
    }

    [Fact]
    public void An_untied_output_layer_is_quantized_by_itself()
    {
        using var packed = new TemporaryFolder();
        using (var model = AutoModel.FromConfig(WithEmbeddings with { TieWordEmbeddings = false }, new ModelOptions { QuantizationBit = 4 }))
            model.SavePretrained(packed.Path);
        using var loaded = AutoModel.FromPretrained(packed.Path);
        loaded.LoadReport!.Tied.Should().BeEmpty();
        loaded.StateDict()["lm_head.weight"].DType.Should().Be(DType.Int8);
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 8)]
    public void A_prefix_is_trained_over_a_quantized_base(int generation, int bits)
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Of(generation), DType.Float16);
        using var model = AutoModel.FromPretrained(folder.Path, new ModelOptions { QuantizationBit = bits, PreSeqLen = 5, Seed = 3 });
        var trained = model.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Parameter).ToList();
        trained.Should().ContainSingle();
        using var optimizer = new AdamW(trained, new AdamWOptions { LearningRate = 0.05 });
        var ids = TinyModels.Ids(TinyModels.Prompt.Select(i => (long)i).ToArray());
        var losses = new List<float>();
        for (var step = 0; step < 20; step++)
        {
            using var scope = new TensorScope();
            var loss = model.Forward(new ModelInputs { InputIds = ids, Labels = ids }).Loss!;
            loss.Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
            losses.Add(loss.Item());
        }

        losses[^1].Should().BeLessThan(losses[0]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_gradient_goes_through_quantized_layers_as_through_their_dequantized_weights(int generation)
    {
        using var quantized = TinyModels.Create(TinyModels.Of(generation));
        quantized.Quantize(4);
        using var dense = TinyModels.Create(TinyModels.Of(generation));
        dense.LoadStateDict(Dequantized(quantized));
        var ids = TinyModels.Ids(TinyModels.Prompt.Select(i => (long)i).ToArray());
        foreach (var model in new[] { quantized, dense })
            model.Forward(new ModelInputs { InputIds = ids, Labels = ids }).Loss!.Backward();
        var expected = dense.StateDict();
        var trained = quantized.NamedParameters().Where(p => p.Parameter.RequiresGrad).ToList();
        trained.Select(p => p.Name).Should().Contain(n => n.EndsWith("input_layernorm.weight")).And.NotContain(n => n.EndsWith("weight_scale"));
        foreach (var (name, parameter) in trained)
        {
            var (actual, wanted) = (parameter.Grad!.ToFloatArray(), expected[name].Grad!.ToFloatArray());
            var size = wanted.Max(Math.Abs);
            for (var i = 0; i < wanted.Length; i++)
                actual[i].Should().BeApproximately(wanted[i], 1e-4f * Math.Max(size, 1e-3f), name);
        }
    }

    [Fact]
    public void Quantizing_gives_each_dense_weight_back_before_the_next()
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        var config = TinyModels.Second with { NumLayers = 8 };
        using var model = AutoModel.FromConfig(config, new ModelOptions { Backend = backend });
        var dense = backend.Memory.LoanedBytes;
        var largest = model.NamedParameters().Max(p => p.Parameter.ByteLength);
        model.Quantize(8);
        backend.Memory.PeakLoanedBytes.Should().BeLessThanOrEqualTo(dense + largest, "one quantized weight stands beside the dense ones");
        var parameters = model.NamedParameters().Sum(p => p.Parameter.ByteLength);
        backend.Memory.LoanedBytes.Should().BeLessThan(parameters + (parameters / 4), "the dense weights are gone, buffers are rounded up");
        backend.Memory.RecoveredBuffers.Should().Be(0);
    }

    [Fact]
    public void Quantizing_while_loading_never_holds_the_dense_weights()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second with { NumLayers = 8 }, DType.Float16);
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var model = AutoModel.FromPretrained(folder.Path, new ModelOptions { Backend = backend, QuantizationBit = 4 });
        var made = model.NamedParameters().Where(p => p.Parameter.Storage is not MappedFile).Sum(p => p.Parameter.ByteLength);
        made.Should().Be(model.NamedParameters().Where(p => p.Name.Contains("layers") && (p.Parameter.DType == DType.Int8 || p.Name.EndsWith("weight_scale"))).Sum(p => p.Parameter.ByteLength));
        backend.Memory.PeakLoanedBytes.Should().Be(backend.Memory.LoanedBytes, "nothing but the quantized weights was ever made: the dense ones are read where they are mapped");
    }

    [Fact]
    public void Closing_a_quantized_model_gives_everything_back()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.First, DType.Float16);
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using (var model = AutoModel.FromPretrained(folder.Path, new ModelOptions { Backend = backend, QuantizationBit = 4, ConfigOverrides = c => (ChatGLM6BConfig)c with { QuantizationEmbeddings = true } }))
            model.Generate(TinyModels.Prompt, new GenerationConfig { MaxNewTokens = 3, EosTokenId = [] });
        backend.Memory.LoanedBuffers.Should().Be(0);
    }

    [Fact]
    public void Quantizing_twice_is_once_and_other_bits_are_refused()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(TinyModels.Second, DType.Float16);
        model.Quantize(4);
        var before = model.StateDict();
        model.Quantize(4);
        model.StateDict().Should().Equal(before);
        Refused(() => model.Quantize(8), "*4 bits*8*");
        model.SavePretrained(folder.Path);
        Refused(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { QuantizationBit = 8 }), "*'quantization_bit' is 4*8*");
        Refused(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { QuantizationBit = 0 }), "*'quantization_bit' is 4*0*");
        AutoModel.FromPretrained(folder.Path, new ModelOptions { QuantizationBit = 4 }).Dispose();
    }

    [Fact]
    public void Bits_that_there_are_not_are_refused()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        using var model = AutoModel.FromPretrained(folder.Path);
        FluentActions.Invoking(() => model.Quantize(3)).Should().Throw<ArgumentOutOfRangeException>().WithMessage("*8 or 4*");
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { QuantizationBit = 2 })).Should().Throw<ArgumentOutOfRangeException>().WithMessage("*8 or 4*");
        (model.Config with { QuantizationBit = 5 }).SavePretrained(folder.Path);
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path)).Should().Throw<ConfigException>().WithMessage("*quantization_bit*5*");
    }

    [Fact]
    public void An_odd_width_is_refused_for_4_bits_before_anything_is_changed()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(TinyModels.Second with { FfnHiddenSize = 47 });
        Refused(() => model.Quantize(4), "transformer.encoder.layers.0.mlp.dense_4h_to_h*even*47*");
        model.NamedParameters().Should().OnlyContain(p => p.Parameter.DType == DType.Float32);
        model.Config.QuantizationBit.Should().Be(0);
        model.SavePretrained(folder.Path);
        Refused(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { QuantizationBit = 4 }), "*dense_4h_to_h*even*47*");
        model.Quantize(8);
    }

    [Fact]
    public void A_layer_that_an_adapter_wraps_is_refused_before_anything_is_changed()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        model.TryGetModule("transformer.encoder.layers.1.mlp.dense_h_to_4h", out var layer);
        model.ReplaceModule("transformer.encoder.layers.1.mlp.dense_h_to_4h", new Wrapper((Linear)layer!));
        Refused(() => model.Quantize(8), "*layers.1.mlp.dense_h_to_4h*adapter*first*");
        model.NamedParameters().Should().OnlyContain(p => p.Parameter.DType == DType.Float32);
    }

    [Fact]
    public void A_weight_with_NaN_is_named_and_what_is_quantized_stays_usable()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(TinyModels.Second);
        model.StateDict()["transformer.encoder.layers.1.mlp.dense_h_to_4h.weight"].AsSpan<float>()[3] = float.NaN;
        model.SavePretrained(folder.Path);
        Refused(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { QuantizationBit = 8 }), "*layers.1.mlp.dense_h_to_4h*row 0*NaN*");
        Refused(() => model.Quantize(8), "*layers.1.mlp.dense_h_to_4h*row 0*NaN*");
        model.Forward(TinyModels.Ids(1, 2, 3)).Logits.Shape[1].Should().Be(3);
    }

    [Fact]
    public void Cancelling_stops_between_layers_and_a_further_call_goes_on()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        FluentActions.Invoking(() => model.Quantize(8, cancelled.Token)).Should().Throw<OperationCanceledException>();
        model.Quantize(8);
        model.Config.QuantizationBit.Should().Be(8);
    }

    [Fact]
    public void Missing_and_misshaped_scales_and_integers_are_named()
    {
        const string Name = "transformer.encoder.layers.0.mlp.dense_h_to_4h.weight";
        Damage(state => state.Remove($"{Name}_scale")).Should().BeOfType<MissingWeightsException>().Which.Report.Missing.Should().Equal($"{Name}_scale");
        Damage(state => state[$"{Name}_scale"] = Tensor.Zeros([7], DType.Float16)).Should().BeOfType<WeightShapeException>()
            .Which.Report.Misshaped.Should().Equal(new ShapeMismatch($"{Name}_scale", "[96]", "[7]"));
        Damage(state => state[Name] = Tensor.Zeros([96, 32], DType.Int8)).Should().BeOfType<WeightShapeException>()
            .Which.Report.Misshaped.Should().Equal(new ShapeMismatch(Name, "[96, 16]", "[96, 32]"));
        Damage(state => state[$"{Name}_scale"] = Tensor.Zeros([96], DType.Int8)).Should().BeOfType<CheckpointException>().Which.Message.Should().Contain($"{Name}_scale").And.Contain("Int8");
        Damage(state => state.Remove(Name)).Should().BeOfType<MissingWeightsException>().Which.Report.Missing.Should().Equal(Name);
    }

    [Fact]
    public void Packed_weights_under_a_config_that_does_not_say_so_are_explained()
    {
        using var folder = new TemporaryFolder();
        using (var model = TinyModels.Create(TinyModels.Second, DType.Float16))
        {
            model.Quantize(8);
            model.SavePretrained(folder.Path);
        }

        (AutoConfig.FromPretrained(folder.Path) with { QuantizationBit = 0 }).SavePretrained(folder.Path);
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path)).Should().Throw<CheckpointException>().WithMessage("*query_key_value.weight*Int8*quantization_bit*");
    }

    [Fact]
    public void A_classifier_is_quantized_too()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second, DType.Float16);
        using var model = AutoModelForSequenceClassification.FromPretrained(folder.Path, new ModelOptions { QuantizationBit = 8 });
        model.NamedParameters().Count(p => p.Parameter.DType == DType.Int8).Should().Be(4 * model.Config.NumLayers);
        model.StateDict()["classifier_head.weight"].DType.Should().Be(DType.Float32);
        model.Forward(TinyModels.Ids(1, 2, 3)).Logits.Shape.Should().Be(new Shape(1, 2));
    }

    private static Exception Damage(Action<Dictionary<string, Tensor>> damage)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(TinyModels.Second, DType.Float16);
        model.Quantize(4);
        model.SavePretrained(folder.Path);
        var state = model.StateDict();
        damage(state);
        Safetensors.SaveFile(state, folder["model.safetensors"]);
        return FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path)).Should().Throw<ChatGLMException>().Which;
    }

    /// <summary>The state of the same model without quantization: each packed weight replaced by its dequantized one.</summary>
    private static Dictionary<string, Tensor> Dequantized(ChatGLMForConditionalGeneration model)
    {
        var state = model.StateDict();
        foreach (var name in state.Keys.Where(n => n.EndsWith("weight_scale")).ToList())
        {
            var weight = name[..^"_scale".Length];
            var bits = model.Config.QuantizationBit;
            state[weight] = model.Backend.Dequantize(new RowQuantizedWeight(state[weight], state[name], bits));
            state.Remove(name);
        }

        return state;
    }

    private static void Refused(Action act, string message) => act.Should().Throw<QuantizationException>().WithMessage(message);

    private static byte[] Bytes(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        return bytes;
    }

    private sealed class Wrapper(Linear inner) : Linear(inner.Weight, inner.Bias);
}
