using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

public sealed class GroupQuantizationTests
{
    public static TheoryData<int, QuantizationConfig> GenerationsAndFormats()
    {
        var data = new TheoryData<int, QuantizationConfig>();
        foreach (var generation in new[] { 1, 2 })
        {
            data.Add(generation, new QuantizationConfig());
            data.Add(generation, new QuantizationConfig { Bits = 4, GroupSize = 64, Sym = false, HeadBits = 4 });
            data.Add(generation, new QuantizationConfig { Bits = 8, GroupSize = 128, HeadBits = 0 });
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(GenerationsAndFormats))]
    public void Quantizing_while_loading_and_afterwards_and_from_a_saved_file_give_the_same_bits(int generation, QuantizationConfig format)
    {
        using var dense = new TemporaryFolder();
        using var packed = new TemporaryFolder();
        TinyModels.Save(dense, TinyModels.Of(generation), DType.Float16);
        using var whileLoading = AutoModel.FromPretrained(dense.Path, new ModelOptions { Quantization = format });
        using var afterwards = AutoModel.FromPretrained(dense.Path);
        afterwards.Quantize(format);
        afterwards.Quantize(format); // is that already
        afterwards.SavePretrained(packed.Path, new SaveOptions { MaxShardSize = "10KB" });
        using var loaded = AutoModel.FromPretrained(packed.Path);
        var expected = whileLoading.StateDict();
        foreach (var model in new[] { afterwards, loaded })
        {
            model.Config.QuantizationConfig.Should().Be(format);
            var state = model.StateDict();
            state.Keys.Should().BeEquivalentTo(expected.Keys);
            foreach (var (name, tensor) in expected)
                Bytes(state[name]).Should().Equal(Bytes(tensor), name);
        }

        loaded.LoadReport!.Unexpected.Should().BeEmpty();
        loaded.NamedParameters().Should().OnlyContain(p => p.Parameter.Storage is MappedFile, "a quantized snapshot is used in place");
        AutoConfig.FromPretrained(packed.Path).TorchDtype.Should().Be(DType.Float16, "the scales are not the type of the weights");
        var options = new GenerationConfig { MaxNewTokens = 5, EosTokenId = [] };
        loaded.Generate(TinyModels.Prompt, options).Sequences[0].Should().Equal(whileLoading.Generate(TinyModels.Prompt, options).Sequences[0]);
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 4)]
    [InlineData(1, 8)]
    [InlineData(2, 8)]
    public void The_scores_are_nearer_to_those_of_the_dense_model_than_with_a_scale_per_row(int generation, int bits)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var ids = TinyModels.Ids(TinyModels.Prompt.Select(i => (long)i).ToArray());
        using var rows = TinyModels.Create(TinyModels.Of(generation));
        using var groups = TinyModels.Create(TinyModels.Of(generation));
        var exact = rows.Forward(ids).Logits.ToFloatArray();
        rows.Quantize(bits);
        groups.Quantize(new QuantizationConfig { Bits = bits, HeadBits = 0 });
        var (ofRows, ofGroups) = (Difference(rows), Difference(groups));

        // At 8 bits these narrow rows lose little to a common scale, and activations rounded to 8 bits count.
        ofGroups.Should().BeInRange(1e-6, bits == 4 ? ofRows : 2 * ofRows);

        double Difference(ChatGLMForConditionalGeneration model)
        {
            var scores = model.Forward(ids).Logits.ToFloatArray();
            return Math.Sqrt(exact.Zip(scores, (a, b) => Math.Pow(a - b, 2)).Sum() / exact.Sum(a => Math.Pow(a, 2)));
        }
    }

    [Fact]
    public void A_tied_output_layer_gets_numbers_of_its_own_and_the_embedding_stays()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(TinyModels.First with { TieWordEmbeddings = true }, DType.Float16);
        model.Quantize(new QuantizationConfig());
        model.StateDict()["transformer.word_embeddings.weight"].DType.Should().Be(DType.Float16);
        model.StateDict()["lm_head.weight"].DType.Should().Be(DType.UInt8);
        model.SavePretrained(folder.Path);
        using var loaded = AutoModel.FromPretrained(folder.Path);
        loaded.LoadReport!.Unexpected.Should().BeEmpty();
        var options = new GenerationConfig { MaxNewTokens = 5, EosTokenId = [] };
        loaded.Generate(TinyModels.Prompt, options).Sequences[0].Should().Equal(model.Generate(TinyModels.Prompt, options).Sequences[0]);
    }

    [Fact]
    public void A_model_is_quantized_in_one_way_only()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(TinyModels.Second, DType.Float16);
        model.Quantize(new QuantizationConfig());
        FluentActions.Invoking(() => model.Quantize(4)).Should().Throw<QuantizationException>().WithMessage("*cannot be given 4 bits*");
        FluentActions.Invoking(() => model.Quantize(new QuantizationConfig { Bits = 8 })).Should().Throw<QuantizationException>().WithMessage("*GroupSize = 32*cannot be given*");
        FluentActions.Invoking(() => model.Quantize(new QuantizationConfig { Bits = 8, Sym = false })).Should().Throw<ArgumentException>().WithMessage("*sym*");
        model.SavePretrained(folder.Path);
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { Quantization = new QuantizationConfig { GroupSize = 64 } })).Should().Throw<QuantizationException>();
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { QuantizationBit = 8 })).Should().Throw<ConfigException>().WithMessage("*exclude*");
        FluentActions.Invoking(() => AutoModel.FromConfig(TinyModels.Second, new ModelOptions { QuantizationBit = 8, Quantization = new() })).Should().Throw<ConfigException>().WithMessage("*exclude*");
    }

    [Theory]
    [InlineData("""{"quant_method": "gptq", "bits": 4}""", "*gptq*does not read*")]
    [InlineData("""{"bits": 4}""", "*quant_method*")]
    [InlineData("""{"quant_method": "chatglm_group", "bits": 3}""", "*bits*4 or 8*3*")]
    [InlineData("""{"quant_method": "chatglm_group", "group_size": 33}""", "*group_size*33*")]
    [InlineData("""{"quant_method": "chatglm_group", "bits": 8, "sym": false}""", "*sym*")]
    [InlineData("""{"quant_method": "chatglm_group", "head_bits": 5}""", "*head_bits*5*")]
    [InlineData("7", "*quantization_config*an object*7*")]
    public void A_config_that_asks_for_something_else_is_refused(string quantization, string message)
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second, DType.Float16);
        var file = System.IO.Path.Combine(folder.Path, "config.json");
        var text = File.ReadAllText(file);
        File.WriteAllText(file, text.Insert(text.IndexOf('{') + 1, $"\"quantization_config\": {quantization},"));
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path)).Should().Throw<ConfigException>().WithMessage(message);
    }

    [Theory]
    [InlineData("weight_scale")]
    [InlineData("weight_minimum")]
    public void A_file_that_lacks_scales_or_minimums_is_refused_by_their_names(string part)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(TinyModels.Second, DType.Float16);
        model.Quantize(new QuantizationConfig { Sym = false });
        model.SavePretrained(folder.Path);
        var weights = System.IO.Path.Combine(folder.Path, "model.safetensors");
        Safetensors.SaveFile(model.StateDict().Where(p => !p.Key.EndsWith($"dense.{part}", StringComparison.Ordinal)).ToDictionary(), weights);
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path)).Should().Throw<MissingWeightsException>().WithMessage($"*dense.{part}*");
    }

    private static byte[] Bytes(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        return bytes;
    }
}
