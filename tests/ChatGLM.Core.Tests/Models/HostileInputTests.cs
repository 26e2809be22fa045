using ChatGLM.Core.Tests.Formats;
using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using TemporaryFolder = ChatGLM.Core.Tests.Models.TemporaryFolder;

namespace ChatGLM.Core.Tests.Models;

/// <summary>Calls and folders that cannot work: each a typed error before memory or an index is at stake.</summary>
public sealed class HostileInputTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Positions_of_another_shape_or_type_are_refused_before_generating(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        var ids = TinyModels.Ids([.. TinyModels.Prompt]);
        foreach (var positions in new[] { Tensor.From(new long[3], [1, 3]), Tensor.From(new float[7], [1, 7]), Tensor.From(new long[7], [7]) })
        {
            FluentActions.Invoking(() => model.Generate(new ModelInputs { InputIds = ids, PositionIds = positions }))
                .Should().Throw<ModelInputException>().Which.Input.Should().Be(nameof(ModelInputs.PositionIds));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void More_rows_than_an_array_holds_scores_for_are_refused(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        var options = new GenerationConfig { MaxNewTokens = 2 };
        FluentActions.Invoking(() => model.Generate(TinyModels.Prompt, options with { DoSample = true, NumReturnSequences = int.MaxValue }))
            .Should().Throw<GenerationConfigException>().Which.Field.Should().Be("num_return_sequences");
        FluentActions.Invoking(() => model.Generate(TinyModels.Prompt, options with { NumBeams = 1 << 28 }))
            .Should().Throw<GenerationConfigException>().Which.Field.Should().Be("num_beams");
    }

    [Fact]
    public void A_text_whose_mask_no_array_could_hold_is_refused()
    {
        const int length = 60_000;
        var ids = Enumerable.Repeat(5L, length).ToArray();
        (ids[^2], ids[^1]) = (93, 90);
        using var first = TinyModels.Create(TinyModels.First);
        FluentActions.Invoking(() => first.Forward(TinyModels.Ids(ids))).Should().Throw<ModelInputException>().WithMessage("*60000*");
        using var second = TinyModels.Create(TinyModels.Second with { SeqLength = length });
        var mask = Enumerable.Repeat(1L, length).ToArray();
        mask[0] = 0;
        FluentActions.Invoking(() => second.Forward(new ModelInputs { InputIds = TinyModels.Ids(ids), AttentionMask = TinyModels.Ids(mask) })).Should().Throw<ModelInputException>().WithMessage("*60000*");
    }

    [Theory]
    [InlineData(1, ChatGLMGeneration.ChatGLM2)]
    [InlineData(1, ChatGLMGeneration.ChatGLM3)]
    [InlineData(2, ChatGLMGeneration.ChatGLM6B)]
    public async Task A_tokenizer_of_another_generation_is_refused_although_its_ids_would_fit(int generation, ChatGLMGeneration other)
    {
        using var model = TinyModels.Create(generation == 1 ? TinyModels.First with { VocabSize = 4000 } : TinyModels.Second with { PaddedVocabSize = 4000 });
        var tokenizer = SmallTokenizers.Get(other);
        Action[] calls = [() => model.Chat(tokenizer, "你好"), () => model.StartChat(tokenizer), () => model.StreamChatAsync(tokenizer, "你好"), () => model.Generate(tokenizer, "你好"), () => model.StreamGenerateAsync(tokenizer, "你好")];
        foreach (var call in calls)
            call.Should().Throw<ModelInputException>().WithMessage($"*{other} tokenizer*same snapshot*");
        await FluentActions.Awaiting(() => model.ChatAsync(tokenizer, "你好")).Should().ThrowAsync<ModelInputException>();
    }

    [SkippableOnWindowsTheory]
    [InlineData("config.json")]
    [InlineData("generation_config.json")]
    [InlineData("tokenizer_config.json")]
    [InlineData("tokenizer.model")]
    [InlineData("model.safetensors")]
    public void No_file_is_read_through_a_link_out_of_the_snapshot(string name)
    {
        using var folder = new TemporaryFolder();
        using var elsewhere = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        SmallTokenizers.WriteSnapshot(folder.Path, ChatGLMGeneration.ChatGLM2);
        Open(folder.Path);
        File.Move(folder[name], elsewhere[name]);
        File.CreateSymbolicLink(folder[name], elsewhere[name]);
        FluentActions.Invoking(() => Open(folder.Path)).Should().Throw<ChatGLMException>().WithMessage($"*{name}*is a link out of the snapshot's folder*");
    }

    [SkippableOnWindowsTheory]
    [InlineData("config.json", "nowhere")]
    [InlineData("config.json", "config.json")]
    [InlineData("config.json", "/dev/zero")]
    [InlineData("generation_config.json", "nowhere")]
    [InlineData("generation_config.json", "/dev/zero")]
    [InlineData("tokenizer_config.json", "tokenizer_config.json")]
    [InlineData("tokenizer.model", "/dev/zero")]
    [InlineData("model.safetensors", "nowhere")]
    [InlineData("model.safetensors", "/dev/zero")]
    public void Links_to_nothing_in_circles_or_without_end_are_errors_that_name_the_file(string name, string target)
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        SmallTokenizers.WriteSnapshot(folder.Path, ChatGLMGeneration.ChatGLM2);
        File.Delete(folder[name]);
        File.CreateSymbolicLink(folder[name], target);
        FluentActions.Invoking(() => Open(folder.Path)).Should().Throw<ChatGLMException>().WithMessage($"*{name}*");
    }

    [Fact]
    public void A_classifier_of_terabytes_without_weights_takes_no_memory()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        File.WriteAllText(folder["config.json"], File.ReadAllText(folder["config.json"]).Replace("\"hidden_size\": 32", "\"hidden_size\": 1048576, \"num_labels\": 1048576"));
        FluentActions.Invoking(() => AutoModelForSequenceClassification.FromPretrained(folder.Path)).Should().Throw<WeightShapeException>();
    }

    [Fact]
    public void A_load_that_fails_converts_nothing_and_leaves_nothing_behind()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        File.WriteAllText(folder["config.json"], File.ReadAllText(folder["config.json"]).Replace("\"num_layers\": 2", "\"num_layers\": 3"));
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { Backend = backend, Dtype = DType.BFloat16, PreSeqLen = 4 })).Should().Throw<MissingWeightsException>();
        backend.Memory.LoanedBuffers.Should().Be(0);
    }

    [Fact]
    public void A_field_that_stands_twice_means_its_last_value_and_is_saved_once()
    {
        using var folder = new TemporaryFolder();
        var config = AutoConfig.Parse("{\"model_type\": \"chatglm\", \"ffn_hidden_size\": 4, \"num_layers\": 2, \"num_layers\": 5}"u8.ToArray());
        config.NumLayers.Should().Be(5);
        (config with { NumLayers = 7 }).SavePretrained(folder.Path);
        AutoConfig.FromPretrained(folder.Path).NumLayers.Should().Be(7);
    }

    private static void Open(string folder)
    {
        AutoTokenizer.FromPretrained(folder);
        AutoModel.FromPretrained(folder).Dispose();
    }
}
