using ChatGLM.Extensions.AI.Tests;
using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Tokenizers;
using ChatGLM.Tool.Info;

namespace ChatGLM.Tool.Tests;

public sealed class InfoTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [Fact]
    public async Task A_snapshot_is_described()
    {
        (await _tool.RunAsync("info", "demo")).Should().Be(0);
        _tool.Output.Should().Contain("3.47 M (3,469,632)").And.Contain("ChatGLM2").And.Contain("float16").And.Contain("6 heads of 32, 2 for keys and values").And.Contain("model.safetensors").And.Contain("memory to chat");
        _tool.Output.Split('\n').Should().OnlyContain(line => line == line.TrimEnd(), "nothing pads the lines of a file");
        (await _tool.RunAsync("info", ToolRun.Demo, "--json")).Should().Be(0);
        using var checkpoint = Checkpoint.Open(ToolRun.Demo);
        _tool.Json["parameters"]!.GetValue<long>().Should().Be(Elements(checkpoint));
        _tool.Json["weights"]!["bytes"]!.GetValue<long>().Should().Be(checkpoint.Entries.Values.Sum(entry => entry.LengthInBytes));
        _tool.Json["tokenizer"]!["vocab_size"]!.GetValue<int>().Should().Be(AutoTokenizer.FromPretrained(ToolRun.Demo).VocabSize);
    }

    public static TheoryData<ChatGLMConfig> Configurations()
    {
        var small = new ChatGLM2Config { PaddedVocabSize = 96, HiddenSize = 32, NumAttentionHeads = 4, KvChannels = 8, NumLayers = 2, FfnHiddenSize = 48, SeqLength = 64, MultiQueryGroupNum = 2 };
        var first = new ChatGLM6BConfig { VocabSize = 96, HiddenSize = 32, NumAttentionHeads = 2, NumLayers = 2, InnerHiddenSize = 64, MaxSequenceLength = 64, BosTokenId = 90, EosTokenIds = [91], MaskTokenId = 92, GMaskTokenId = 93, PadTokenId = 3 };
        return [small, small with { MultiQueryAttention = false }, small with { AddBiasLinear = true, AddQkvBias = false }, small with { Rmsnorm = false, PostLayerNorm = false },
            small with { PreSeqLen = 5 }, small with { PreSeqLen = 5, PrefixProjection = true }, first, first with { TieWordEmbeddings = !first.TieWordEmbeddings }, first with { PreSeqLen = 5 }, first with { PreSeqLen = 5, PrefixProjection = true }];
    }

    [Theory]
    [MemberData(nameof(Configurations))]
    public void The_parameters_of_a_configuration_are_those_of_the_model(ChatGLMConfig config)
    {
        using var model = AutoModel.FromConfig(config);
        var parameters = model.NamedParameters().Select(named => named.Parameter).Distinct().Sum(parameter => parameter.Shape.ElementCount);
        ParameterCount.Of(config).Total.Should().Be(parameters);
    }

    [Fact]
    public async Task The_memory_of_a_quantized_model_is_near_what_is_foretold()
    {
        // Widths that are whole groups, as published models have them.
        using var model = AutoModel.FromConfig(new ChatGLM2Config { PaddedVocabSize = 4096, HiddenSize = 512, NumAttentionHeads = 8, KvChannels = 64, NumLayers = 4, FfnHiddenSize = 1024, SeqLength = 64, MultiQueryGroupNum = 2 }, new ModelOptions { Dtype = Tensors.DType.Float16 });
        model.SavePretrained(_tool.PathOf("model"));
        foreach (var bits in new[] { 4, 8 })
        {
            var (folder, count) = (_tool.PathOf($"int{bits}"), ParameterCount.Of(model.Config));
            (await _tool.RunAsync("quantize", _tool.PathOf("model"), "--bits", $"{bits}", "-o", folder)).Should().Be(0, "{0}", _tool.Error);
            using var checkpoint = Checkpoint.Open(folder);
            var bytes = checkpoint.Entries.Values.Sum(entry => entry.LengthInBytes);
            ((double)count.GroupBytes(bits)).Should().BeApproximately(bytes, bytes * 0.01);
        }
    }

    [Fact]
    public async Task Adapters_and_other_files_are_described()
    {
        var adapter = _tool.PathOf("run", "checkpoint-7");
        RandomAdapter.Save(adapter, 1);
        (await _tool.RunAsync("info", adapter)).Should().Be(0);
        _tool.Output.Should().Contain("LoRA, rank 4, alpha 8").And.Contain("query_key_value").And.Contain("base model");
        (await _tool.RunAsync("info", adapter, "--json")).Should().Be(0);
        using var checkpoint = Checkpoint.Open(Path.Combine(adapter, "adapter_model.safetensors"));
        _tool.Json["parameters"]!.GetValue<long>().Should().Be(Elements(checkpoint));
        _tool.Json["config"]!["r"]!.GetValue<int>().Should().Be(4);

        (await _tool.RunAsync("info", Path.Combine(ToolRun.Demo, "model.safetensors"))).Should().Be(0);
        _tool.Output.Should().Contain("holds").And.Contain("45");
        foreach (var file in Directory.GetFiles(ToolRun.Demo))
            File.Copy(file, Path.Combine(_tool.PathOf("run"), Path.GetFileName(file)));
        (await _tool.RunAsync("info", _tool.PathOf("run"))).Should().Be(0);
        _tool.Output.Should().Contain("adapters").And.Contain("checkpoint-7  ").And.Contain("LoRA, rank 4");
    }

    [Fact]
    public async Task Every_generation_is_told()
    {
        foreach (var generation in Enum.GetValues<ChatGLMGeneration>())
        {
            using var snapshot = new TinySnapshot(generation);
            (await _tool.RunAsync("info", snapshot.Path, "--json")).Should().Be(0);
            _tool.Json["generation"]!.GetValue<string>().Should().Be(generation.ToString());
            using var checkpoint = Checkpoint.Open(snapshot.Path);
            _tool.Json["parameters"]!.GetValue<long>().Should().Be(Elements(checkpoint));
        }
    }

    private static long Elements(Checkpoint checkpoint) => checkpoint.Entries.Values.Sum(entry => entry.Shape.Aggregate(1L, (product, size) => product * size));
}
