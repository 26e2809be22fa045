using System.Text.Json;
using ChatGLM.Core.Tests.Formats;
using ChatGLM.Models;
using ChatGLM.Tensors;
using TemporaryFolder = ChatGLM.Core.Tests.Models.TemporaryFolder;

namespace ChatGLM.Core.Tests.Models;

/// <summary>What is saved loads again as it was, whatever was overridden, and also into the folder that it is mapped from.</summary>
public sealed class SaveTests
{
    [SkippableOnWindowsTheory]
    [InlineData(1, null)]
    [InlineData(2, null)]
    [InlineData(1, 5)]
    [InlineData(2, 5)]
    public void A_model_can_be_saved_over_the_files_that_it_is_mapped_from(int generation, int? prefix)
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Of(generation), DType.BFloat16);
        using var model = AutoModel.FromPretrained(folder.Path, new ModelOptions { PreSeqLen = prefix });
        var expected = Logits(model);
        foreach (var size in new[] { "8KB", "20KB", "10GB", "8KB" })
        {
            model.SavePretrained(folder.Path, new SaveOptions { MaxShardSize = size });
            Logits(model).Should().Equal(expected, "the files that are mapped stay as they were, though no name leads to them any more");
            using var again = AutoModel.FromPretrained(folder.Path);
            Logits(again).Should().Equal(expected);
            again.Config.PreSeqLen.Should().Be(prefix);
            again.LoadReport!.Unexpected.Should().BeEmpty();
            Directory.GetFiles(folder.Path, "*.safetensors").Should().HaveCount(again.LoadReport.Files.Count, "the shards of before are gone");
        }
    }

    [Fact]
    public void A_classifier_keeps_its_classes_and_its_name()
    {
        using var folder = new TemporaryFolder();
        using var saved = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        using var model = AutoModelForSequenceClassification.FromPretrained(folder.Path, new ModelOptions { ConfigOverrides = c => c with { NumLabels = 5 } });
        model.SavePretrained(saved.Path);
        using var again = AutoModelForSequenceClassification.FromPretrained(saved.Path);
        again.Config.NumLabels.Should().Be(5);
        again.Config.Architectures.Should().Equal("ChatGLMForSequenceClassification");
        again.Forward(TinyModels.Ids(5, 6)).Logits.ToFloatArray().Should().Equal(model.Forward(TinyModels.Ids(5, 6)).Logits.ToFloatArray());
        using var json = JsonDocument.Parse(File.ReadAllBytes(saved["config.json"]));
        json.RootElement.GetProperty("id2label").GetProperty("4").GetString().Should().Be("LABEL_4", "transformers counts the classes by their names");
        json.RootElement.GetProperty("label2id").GetProperty("LABEL_0").GetInt32().Should().Be(0);
    }

    [Fact]
    public void The_names_of_the_classes_count_where_a_number_says_otherwise() =>
        AutoConfig.Parse("""{"model_type": "chatglm", "ffn_hidden_size": 4, "num_labels": 7, "id2label": {"0": "a", "1": "b", "2": "c"}}"""u8.ToArray()).NumLabels.Should().Be(3);

    [Theory]
    [InlineData("THUDM/chatglm2-6b-32k", RopeScaling.MultiplyBase)]
    [InlineData("THUDM/chatglm3-6b-32k", RopeScaling.DividePositions)]
    [InlineData("/models/mine", RopeScaling.DividePositions)]
    [InlineData("/models/mine", RopeScaling.MultiplyBase)]
    public void A_rope_scaling_that_the_name_does_not_tell_is_kept(string name, RopeScaling scaling)
    {
        using var folder = new TemporaryFolder();
        (TinyModels.Second with { NameOrPath = name, RopeRatio = 16, RopeScaling = scaling }).SavePretrained(folder.Path);
        ((ChatGLM2Config)AutoConfig.FromPretrained(folder.Path)).RopeScaling.Should().Be(scaling);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(-1)]
    public void A_class_that_there_is_not_is_refused(int label)
    {
        using var model = AutoModelForSequenceClassification.FromConfig(TinyModels.Second with { NumLabels = 3 });
        FluentActions.Invoking(() => model.Forward(new ModelInputs { InputIds = TinyModels.Ids(5, 6), Labels = Tensor.From(new long[] { label }, [1]) }))
            .Should().Throw<ModelInputException>().WithMessage($"Labels*{label}*0 to 2*");
    }

    private static float[] Logits(ChatGLMForConditionalGeneration model)
    {
        using var noGrad = GradMode.NoGrad();
        return model.Forward(TinyModels.Ids([.. TinyModels.Prompt])).Logits.ToFloatArray();
    }
}
