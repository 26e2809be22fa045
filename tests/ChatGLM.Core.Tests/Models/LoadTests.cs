using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

public sealed class LoadTests
{
    [Theory]
    [InlineData(1, DType.Float32)]
    [InlineData(1, DType.Float16)]
    [InlineData(1, DType.BFloat16)]
    [InlineData(2, DType.Float32)]
    [InlineData(2, DType.Float16)]
    [InlineData(2, DType.BFloat16)]
    public void Saving_and_loading_gives_the_same_bits(int generation, DType dtype)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(TinyModels.Of(generation), dtype);
        model.SavePretrained(folder.Path, new SaveOptions { MaxShardSize = "10KB" });
        Directory.GetFiles(folder.Path, "model-*.safetensors").Should().HaveCountGreaterThan(1);
        using var again = AutoModel.FromPretrained(folder.Path);
        var (before, after) = (model.StateDict(), again.StateDict());
        after.Keys.Should().Equal(before.Keys);
        foreach (var (name, parameter) in before)
        {
            after[name].DType.Should().Be(dtype);
            Bytes(after[name]).Should().Equal(Bytes(parameter), name);
        }

        again.LoadReport!.Dtype.Should().Be(dtype);
        again.LoadReport.Bytes.Should().Be(again.NamedParameters().Sum(p => p.Parameter.ByteLength));
        again.LoadReport.Unexpected.Should().BeEmpty();
        AutoConfig.FromPretrained(folder.Path).TorchDtype.Should().Be(dtype);
    }

    [Fact]
    public void Tied_weights_are_saved_once()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.First);
        using var checkpoint = Checkpoint.Open(folder.Path);
        checkpoint.Entries.Keys.Should().Contain("transformer.word_embeddings.weight").And.NotContain("lm_head.weight");
        using var model = AutoModel.FromPretrained(folder.Path);
        model.LoadReport!.Tied.Should().Equal("lm_head.weight");
        var state = model.StateDict();
        state["lm_head.weight"].Should().BeSameAs(state["transformer.word_embeddings.weight"]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_type_can_be_asked_for(int generation)
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Of(generation));
        using var model = AutoModel.FromPretrained(folder.Path, new ModelOptions { Dtype = DType.BFloat16 });
        model.NamedParameters().Should().OnlyContain(p => p.Parameter.DType == DType.BFloat16 && p.Parameter.RequiresGrad);
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { Dtype = DType.Int8 })).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void Weights_stay_in_their_file()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        using var model = AutoModel.FromPretrained(folder.Path);
        model.NamedParameters().Should().OnlyContain(p => p.Parameter.Storage is MappedFile);
    }

    [Fact]
    public void All_missing_weights_are_named_with_what_the_file_looks_like()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        using (var other = TinyModels.Create(TinyModels.First))
            Safetensors.SaveFile(other.StateDict().Where(p => p.Key != "lm_head.weight").ToDictionary(), folder["model.safetensors"]);
        var error = FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path)).Should().Throw<MissingWeightsException>().Which;
        error.Report.Missing.Should().HaveCount(TinyModelsParameterCount());
        error.Message.Should().Contain("ChatGLM-6B");
        error.Report.Unexpected.Should().Contain("transformer.word_embeddings.weight");
    }

    [Fact]
    public void A_prefix_alone_is_recognised()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        using var prefix = Tensor.Zeros([4, 8]);
        Safetensors.SaveFile(new Dictionary<string, Tensor> { ["transformer.prefix_encoder.embedding.weight"] = prefix }, folder["model.safetensors"]);
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path)).Should().Throw<MissingWeightsException>().WithMessage("*prefix*");
    }

    [Fact]
    public void A_weight_of_another_shape_is_named_with_both_shapes()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        var options = new ModelOptions { ConfigOverrides = c => ((ChatGLM2Config)c) with { FfnHiddenSize = 40 } };
        var error = FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path, options)).Should().Throw<WeightShapeException>().Which;
        error.Report.Misshaped.Should().Contain(new ShapeMismatch("transformer.encoder.layers.0.mlp.dense_h_to_4h.weight", "[80, 32]", "[96, 32]")).And.HaveCount(4);
    }

    [Fact]
    public void A_config_that_asks_for_terabytes_takes_no_memory()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        var options = new ModelOptions { ConfigOverrides = c => ((ChatGLM2Config)c) with { HiddenSize = 1 << 20, FfnHiddenSize = 1 << 20 } };
        var before = GC.GetAllocatedBytesForCurrentThread();
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path, options)).Should().Throw<WeightShapeException>();
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(50 << 20);
    }

    [Fact]
    public void Extra_tensors_are_reported_and_known_buffers_are_ignored()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(TinyModels.First);
        model.SavePretrained(folder.Path);
        using var extra = Tensor.Zeros([4]);
        var state = model.NamedParameters().ToDictionary(p => p.Name, p => p.Parameter);
        state["transformer.layers.0.attention.rotary_emb.inv_freq"] = extra;
        state["something.else"] = extra;
        Safetensors.SaveFile(state, folder["model.safetensors"]);
        using var again = AutoModel.FromPretrained(folder.Path);
        again.LoadReport!.Unexpected.Should().Equal("something.else");
        again.LoadReport.Ignored.Should().Equal("transformer.layers.0.attention.rotary_emb.inv_freq");
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [InlineData(2, true)]
    public void A_prefix_that_is_added_is_fresh_and_alone_trained(int generation, bool projection)
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Of(generation), DType.Float16);
        using var model = AutoModel.FromPretrained(folder.Path, new ModelOptions { PreSeqLen = 5, PrefixProjection = projection, Seed = 3 });
        model.LoadReport!.Fresh.Should().HaveCount(projection ? 5 : 1).And.OnlyContain(n => n.StartsWith("transformer.prefix_encoder."));
        model.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Name).Should().BeEquivalentTo(model.LoadReport.Fresh);
        var labels = Tensor.From(TinyModels.Prompt.Select(i => (long)i).ToArray(), [1, TinyModels.Prompt.Length]);
        model.Forward(new ModelInputs { InputIds = labels, Labels = labels }).Loss!.Backward();
        foreach (var (name, parameter) in model.NamedParameters())
            (parameter.Grad is not null).Should().Be(model.LoadReport.Fresh.Contains(name), name);
        using var again = new TemporaryFolder();
        model.SavePretrained(again.Path);
        using var loaded = AutoModel.FromPretrained(again.Path);
        loaded.LoadReport!.Fresh.Should().BeEmpty("the saved folder has the prefix");
        loaded.Config.PreSeqLen.Should().Be(5);
    }

    [Fact]
    public void The_same_seed_makes_the_same_fresh_parameters()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        using var first = AutoModel.FromPretrained(folder.Path, new ModelOptions { PreSeqLen = 5, Seed = 3 });
        using var second = AutoModel.FromPretrained(folder.Path, new ModelOptions { PreSeqLen = 5, Seed = 3 });
        Bytes(first.StateDict()["transformer.prefix_encoder.embedding.weight"]).Should().Equal(Bytes(second.StateDict()["transformer.prefix_encoder.embedding.weight"]));
    }

    [Fact]
    public void A_prefix_that_the_config_names_but_the_file_lacks_is_missing()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        (AutoConfig.FromPretrained(folder.Path) with { PreSeqLen = 4 }).SavePretrained(folder.Path);
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path)).Should().Throw<MissingWeightsException>()
            .Which.Report.Missing.Should().Equal("transformer.prefix_encoder.embedding.weight");
    }

    [Fact]
    public void Loading_reports_progress_and_stops_when_asked()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        var progress = new Recorder();
        using (AutoModel.FromPretrained(folder.Path, new ModelOptions { Progress = progress }))
            progress.Reports[^1].LoadedBytes.Should().Be(progress.Reports[^1].TotalBytes);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder.Path, new ModelOptions { CancellationToken = cancelled.Token })).Should().Throw<OperationCanceledException>();
    }

    [Fact]
    public void A_classifier_gets_a_fresh_head_over_a_base_model()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        using var model = AutoModelForSequenceClassification.FromPretrained(folder.Path, new ModelOptions { ConfigOverrides = c => c with { NumLabels = 3 } });
        model.LoadReport!.Fresh.Should().Equal("classifier_head.weight", "classifier_head.bias");
        using var first = new TemporaryFolder();
        TinyModels.Save(first, TinyModels.First);
        FluentActions.Invoking(() => AutoModelForSequenceClassification.FromPretrained(first.Path)).Should().Throw<UnsupportedModelException>();
    }

    private static int TinyModelsParameterCount()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        return model.NamedParameters().Count();
    }

    private static byte[] Bytes(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        return bytes;
    }

    private sealed class Recorder : IProgress<LoadProgress>
    {
        public List<LoadProgress> Reports { get; } = [];

        public void Report(LoadProgress value) => Reports.Add(value);
    }
}
