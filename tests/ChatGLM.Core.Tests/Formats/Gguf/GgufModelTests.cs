using ChatGLM.Core.Tests.Models;
using ChatGLM.Core.Tests.Snapshots;
using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Snapshots;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Formats.Gguf;

public sealed class GgufModelTests
{
    private static readonly string Demo = Path.GetFullPath(Path.Combine(SmallTokenizers.DataFolder, "..", "..", "..", "samples", "Snapshot"));

    private static readonly int[] Prompt = [7, 21, 35, 8, 14, 93, 90, 3, 3, 71, 12];

    public static TheoryData<string> PlainTypes => [GgufModels.F32, GgufModels.F16, GgufModels.BF16];

    /// <summary>Every block format for all matrices it fits, and the mixture of Q4_K_M.</summary>
    public static TheoryData<string> QuantizedTypes => ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "Q4_K_M"];

    [Theory]
    [MemberData(nameof(QuantizedTypes))]
    public void A_quantized_file_scores_as_the_dense_model_of_its_numbers(string type)
    {
        using var folder = new TemporaryFolder();
        using var original = GgufModels.Random(GgufModels.Wide);
        GgufModels.Write(original, folder["model.gguf"], TypesOf(type));
        using var model = AutoModel.FromPretrained(folder["model.gguf"]);
        using var dense = GgufModels.Widened(original, TypesOf(type));
        model.NamedParameters().Should().OnlyContain(p => p.Parameter.Storage is MappedFile, "the file is used in place");
        model.LoadReport!.Unexpected.Should().BeEmpty();
        model.NamedModules().Select(m => m.Module).OfType<Linear>().Should().OnlyContain(l => l.Weight is BlockQuantizedWeight);

        // Training computes with the activations as they are; one row of tokens and many go through different kernels.
        foreach (var prompt in new[] { Prompt[..1], Prompt })
        {
            var ids = TinyModels.Ids([.. prompt.Select(id => (long)id)]);
            var (found, expected) = (model.Forward(ids).Logits.ToFloatArray(), dense.Forward(ids).Logits.ToFloatArray());
            Spread(found, expected).Should().BeLessThan(2e-5);
            using var noGrad = GradMode.NoGrad();
            Spread(model.Forward(ids).Logits.ToFloatArray(), expected).Should().BeLessThan(0.03, "activations are rounded to 8 bits where no gradient is asked for");
        }
    }

    [Theory]
    [MemberData(nameof(PlainTypes))]
    public void A_file_of_plain_numbers_scores_to_the_bit_as_the_snapshot(string type)
    {
        using var folder = new TemporaryFolder();
        using var demo = AutoModel.FromPretrained(Demo);
        GgufModels.Write(demo, folder["model.gguf"], _ => type);
        using var model = AutoModel.FromPretrained(folder["model.gguf"]);
        using var same = AutoModel.FromPretrained(Demo);
        if (type == GgufModels.BF16)
        {
            foreach (var (_, parameter) in same.NamedParameters().Where(p => p.Parameter.Shape.Rank == 2))
                parameter.MoveTo(parameter.Backend, DType.BFloat16);
        }

        // float32 and float16 go through kernels of their own, so the same numbers in another type are the same sums to rounding.
        var ids = TinyModels.Ids([64, 700, 2100, 31, 5]);
        Spread(model.Forward(ids).Logits.ToFloatArray(), same.Forward(ids).Logits.ToFloatArray()).Should().BeLessThan(type == GgufModels.F32 ? 1e-5 : 1e-12);
        model.Config.Should().BeEquivalentTo(demo.Config, options => options
            .Including(c => c.NumLayers).Including(c => c.HiddenSize).Including(c => c.NumAttentionHeads).Including(c => c.LayernormEpsilon).Including(c => c.VocabularySize)
            .Including(c => c.MaxPositions).Including(c => c.HeadDim).Including(c => c.KeyValueHeads).Including(c => c.TieWordEmbeddings));
        var (found, expected) = ((ChatGLM2Config)model.Config, (ChatGLM2Config)demo.Config);
        (found.FfnHiddenSize, found.AddQkvBias, found.Rmsnorm, found.RopeRatio).Should().Be((expected.FfnHiddenSize, expected.AddQkvBias, expected.Rmsnorm, expected.RopeRatio));
    }

    [Fact]
    public async Task The_demo_answers_from_a_GGUF_file_with_the_tokenizer_that_is_in_it()
    {
        using var folder = new TemporaryFolder();
        using var demo = AutoModel.FromPretrained(Demo);
        GgufModels.Write(demo, folder["model.gguf"], _ => "Q8_0", File.ReadAllBytes(Path.Combine(Demo, "tokenizer.model")));
        using var model = await AutoModel.FromPretrainedAsync(folder["model.gguf"]);
        var tokenizer = await AutoTokenizer.FromPretrainedAsync(folder["model.gguf"]);
        var options = new ChatOptions { Generation = demo.ChatGenerationConfig with { DoSample = false } };
        model.Chat(tokenizer, "你好", options: options).Response.Content.Should().Be(demo.Chat(AutoTokenizer.FromPretrained(Demo), "你好", options: options).Response.Content);
        (await AutoConfig.FromPretrainedAsync(folder["model.gguf"])).EosTokenIds.Should().Equal(2);
    }

    [Fact]
    public void A_file_without_an_output_layer_uses_the_table()
    {
        using var folder = new TemporaryFolder();
        using var original = GgufModels.Random(GgufModels.Wide with { TieWordEmbeddings = true });
        GgufModels.Write(original, folder["model.gguf"], _ => "Q8_0");
        using var model = AutoModel.FromPretrained(folder["model.gguf"]);
        using var dense = GgufModels.Widened(original, _ => "Q8_0");
        model.Config.TieWordEmbeddings.Should().BeTrue();
        var ids = TinyModels.Ids([.. Prompt.Select(id => (long)id)]);
        Spread(model.Forward(ids).Logits.ToFloatArray(), dense.Forward(ids).Logits.ToFloatArray()).Should().BeLessThan(2e-5);
    }

    [Fact]
    public void Another_type_or_quantization_is_made_while_loading()
    {
        using var folder = new TemporaryFolder();
        using var original = GgufModels.Random(GgufModels.Wide);
        GgufModels.Write(original, folder["model.gguf"], GgufModels.MixedTypes);
        using var dense = GgufModels.Widened(original, GgufModels.MixedTypes);
        using var wide = AutoModel.FromPretrained(folder["model.gguf"], new ModelOptions { Dtype = DType.Float32 });
        foreach (var (name, parameter) in wide.NamedParameters())
            parameter.ToArray<float>().Should().Equal(dense.StateDict()[name].ToArray<float>(), name);
        using var groups = AutoModel.FromPretrained(folder["model.gguf"], new ModelOptions { Quantization = new QuantizationConfig() });
        dense.Quantize(new QuantizationConfig());
        foreach (var (name, parameter) in groups.NamedParameters().Where(p => p.Parameter.DType == DType.UInt8 && p.Name.Contains("layers.", StringComparison.Ordinal)))
            parameter.ToArray<byte>().Should().Equal(dense.StateDict()[name].ToArray<byte>(), name);
    }

    [Fact]
    public void What_lies_in_blocks_is_neither_saved_nor_quantized_in_place()
    {
        using var folder = new TemporaryFolder();
        using var original = GgufModels.Random(GgufModels.Wide);
        GgufModels.Write(original, folder["model.gguf"], _ => "Q8_0");
        using var model = AutoModel.FromPretrained(folder["model.gguf"]);
        FluentActions.Invoking(() => model.SavePretrained(folder["new"])).Should().Throw<QuantizationException>().WithMessage("*block format*SnapshotConverter*");
        Directory.Exists(folder["new"]).Should().BeFalse();
        FluentActions.Invoking(() => model.Quantize(4)).Should().Throw<QuantizationException>().WithMessage("*Q8_0*ModelOptions*");
        FluentActions.Invoking(() => model.Quantize(new QuantizationConfig())).Should().Throw<QuantizationException>().WithMessage("*Q8_0*ModelOptions*");
        model.Config.QuantizationBit.Should().Be(0);
    }

    [Theory]
    [InlineData(null, DType.Float16)]
    [InlineData(DType.BFloat16, DType.BFloat16)]
    [InlineData(DType.Float32, DType.Float32)]
    public async Task A_file_becomes_a_snapshot_with_its_tokenizer(DType? asked, DType expected)
    {
        using var folder = new TemporaryFolder();
        using var demo = AutoModel.FromPretrained(Demo);
        GgufModels.Write(demo, folder["model.gguf"], name => name.Contains("ffn_down", StringComparison.Ordinal) ? "Q4_K" : "Q5_1", File.ReadAllBytes(Path.Combine(Demo, "tokenizer.model")));
        var report = await SnapshotConverter.ConvertAsync(folder["model.gguf"], folder["new"], asked, new SnapshotWriteOptions { PieceBytes = 1, MaxShardSize = "400KB" });
        using var from = AutoModel.FromPretrained(folder["model.gguf"], new ModelOptions { Dtype = expected });
        using var to = AutoModel.FromPretrained(report.Folder);
        to.Config.TorchDtype.Should().Be(expected);
        foreach (var (name, parameter) in to.NamedParameters())
        {
            parameter.DType.Should().Be(parameter.Shape.Rank == 1 && asked is null ? DType.Float32 : expected, name);
            parameter.ToFloatArray().Should().Equal(from.StateDict()[name].ToFloatArray(), name);
        }

        AutoTokenizer.FromPretrained(report.Folder).Encode("从前有一只小猫。").Should().Equal(AutoTokenizer.FromPretrained(Demo).Encode("从前有一只小猫。"));
    }

    [Fact]
    public async Task A_file_becomes_a_quantized_snapshot_as_the_model_would_be_saved()
    {
        using var folder = new TemporaryFolder();
        using var original = GgufModels.Random(GgufModels.Wide);
        GgufModels.Write(original, folder["model.gguf"], name => name is "token_embd.weight" or "output.weight" ? GgufModels.F16 : GgufModels.MixedTypes(name));
        using (var model = AutoModel.FromPretrained(folder["model.gguf"], new ModelOptions { Quantization = new QuantizationConfig() }))
            model.SavePretrained(folder["expected"]);
        await SnapshotQuantizer.QuantizeAsync(folder["model.gguf"], folder["found"], new QuantizationConfig(), new SnapshotWriteOptions { PieceBytes = 1 });
        SnapshotQuantizerTests.RequireSameFiles(folder["expected"], folder["found"]);
    }

    [Fact]
    public void A_file_that_disappears_or_is_none_is_said_so()
    {
        using var folder = new TemporaryFolder();
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder["none.gguf"])).Should().Throw<SnapshotNotFoundException>();
        File.WriteAllText(folder["text.gguf"], "not a model");
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder["text.gguf"])).Should().Throw<SnapshotNotFoundException>().WithMessage("*no GGUF file*");
        File.WriteAllBytes(folder["model.gguf"], "GGUF"u8.ToArray());
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder["model.gguf"])).Should().Throw<CheckpointException>().WithMessage("*cut off*");
        FluentActions.Invoking(() => Checkpoint.Open(folder.Root)).Should().Throw<CheckpointException>().WithMessage("*model.gguf*path of the file itself*");
    }

    [Fact]
    public void A_generation_over_a_quantized_file_is_the_same_for_any_number_of_threads()
    {
        using var folder = new TemporaryFolder();
        using var original = GgufModels.Random(GgufModels.Wide);
        GgufModels.Write(original, folder["model.gguf"], GgufModels.MixedTypes);
        var options = new GenerationConfig { MaxNewTokens = 12, EosTokenId = [], DoSample = true, TopK = 0 };
        int[]? expected = null;
        foreach (var threads in new[] { 1, 2, 3 })
        {
            using var model = AutoModel.FromPretrained(folder["model.gguf"], new ModelOptions { Backend = new CpuBackend(new() { Threads = threads }) });
            var sequence = model.Generate(Prompt, options with { Seed = 11 }).Sequences[0];
            expected ??= [.. sequence];
            sequence.Should().Equal(expected);
        }
    }

    private static Func<string, string> TypesOf(string type) => type switch
    {
        "Q4_K_M" => GgufModels.MixedTypes,
        // The inner width is no multiple of 256.
        "Q4_K" or "Q5_K" or "Q6_K" => name => name.EndsWith("ffn_down.weight", StringComparison.Ordinal) ? "Q8_0" : type,
        _ => _ => type,
    };

    /// <summary>The error relative to the scores' size.</summary>
    private static double Spread(float[] found, float[] expected) => Math.Sqrt(found.Zip(expected, (a, b) => Math.Pow(a - b, 2)).Sum() / expected.Sum(a => Math.Pow(a, 2)));
}
