using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>Snapshots that the reference quantized: read, computed with, made again from their sources, and written back.</summary>
public sealed class QuantizedSnapshotTests(ITestOutputHelper output)
{
    private const string Dequantized = "dequantized.";
    private const string Source = "source.";

    [ConformanceTheory("quantized_snapshot"), CasesOf("quantized_snapshot")]
    public void Loads_every_weight_to_the_recorded_numbers(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = AutoModel.FromPretrained(recorded.Folder);
        model.LoadReport!.Unexpected.Should().BeEmpty();
        model.Config.QuantizationBit.Should().Be(recorded.Json.GetProperty("bits").GetInt32());
        var expected = Expected(recorded);
        var closeness = new Closeness(0);
        var names = expected.Names.Where(n => n.StartsWith(Dequantized, StringComparison.Ordinal)).ToList();
        names.Select(n => n[Dequantized.Length..]).Should().BeEquivalentTo(model.NamedModules().Where(m => WeightOf(m.Module) is not null).Select(m => m.Name));
        foreach (var name in names)
        {
            model.TryGetModule(name[Dequantized.Length..], out var module).Should().BeTrue("{0} is a layer", name);
            using var values = model.Backend.Dequantize(WeightOf(module!)!);
            values.Shape.ToArray().Select(n => (long)n).Should().Equal(expected.Shape(name));
            closeness.Check(name, values.ToFloatArray(), expected.Floats(name));
        }

        closeness.Report(output, $"{names.Count} dequantized weights");
    }

    [ConformanceTheory("quantized_snapshot"), CasesOf("quantized_snapshot")]
    public void Forward_gives_the_recorded_logits(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = AutoModel.FromPretrained(recorded.Folder);
        CheckLogits(recorded, model, "logits");
    }

    [ConformanceTheory("quantized_snapshot"), CasesOf("quantized_snapshot")]
    public void Generate_gives_the_recorded_tokens(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        using var model = AutoModel.FromPretrained(recorded.Folder);
        var expected = Expected(recorded);
        var shape = expected.Shape("generated");
        var promptTokens = (int)expected.Shape("prompt.input_ids")[1];
        var options = new GenerationConfig { DoSample = false, MaxNewTokens = (int)shape[1] - promptTokens, EosTokenId = model.GenerationConfig.EosTokenId, PadTokenId = model.GenerationConfig.PadTokenId };
        var result = model.Generate(ModelTests.StepInputs("prompt.", expected), options);
        var tokens = expected.Longs("generated").Chunk((int)shape[1]).ToArray();
        result.Sequences.Should().HaveCount(tokens.Length);
        for (var row = 0; row < tokens.Length; row++)
            result.Sequences[row].Select(t => (long)t).Should().Equal(tokens[row]);
        output.WriteLine($"{tokens.Length} sequences of {shape[1]} tokens, no difference");
    }

    [ConformanceTheory("quantized_snapshot"), CasesOf("quantized_snapshot")]
    public void Quantizing_the_source_gives_the_recorded_integers_and_scales(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var config = AutoConfig.FromPretrained(recorded.Folder);
        var quantizer = new RowQuantizer(config, config.QuantizationBit);
        using var checkpoint = Checkpoint.Open(recorded.Folder);
        var expected = Expected(recorded);
        var (integersInAll, ties) = (0, 0);
        foreach (var name in expected.Names.Where(n => n.StartsWith(Source, StringComparison.Ordinal)))
        {
            var weight = name[Source.Length..];
            var path = weight[..weight.LastIndexOf('.')];
            quantizer.Covers(path).Should().BeTrue("{0} was quantized", path);
            var values = expected.Floats(name);
            var shape = new Shape(Array.ConvertAll(expected.Shape(name), n => (int)n));
            var made = quantizer.Quantize(path, Tensor.From(Array.ConvertAll(values, v => (Half)v), shape));
            using var stored = checkpoint.Read(weight);
            using var storedScales = checkpoint.Read($"{weight}_scale");
            var scales = made.Scale.ToFloatArray();
            UnitsApart(made.Scale, storedScales).Should().OnlyContain(units => units <= 1, "scales of {0} are exact to a unit in the last place of a half", path);
            var (actual, recordedIntegers) = (Integers(made), Integers(new RowQuantizedWeight(stored, storedScales, quantizer.Bits)));
            integersInAll += actual.Length;
            for (var i = 0; i < actual.Length; i++)
            {
                if (actual[i] == recordedIntegers[i])
                    continue;
                // Where the reference divided in half, a quotient can have been rounded onto a tie, or off one.
                ties++;
                Math.Abs(actual[i] - recordedIntegers[i]).Should().Be(1, "{0}[{1}] is the integer next to the recorded one", path, i);
                var quotient = values[i] / scales[i / shape[1]];
                Math.Abs(Math.Abs(quotient - MathF.Truncate(quotient)) - 0.5f).Should().BeLessThan(0.5f / 16, "{0}[{1}] = {2} lies at a tie", path, i, quotient);
            }
        }

        integersInAll.Should().BePositive();
        output.WriteLine($"{integersInAll} integers, {ties} beside a tie differ by one");
    }

    [ConformanceTheory("quantized_snapshot"), CasesOf("quantized_snapshot")]
    public void What_is_written_has_the_recorded_tensors_and_loads_again(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var folder = Directory.CreateTempSubdirectory("chatglm-conformance-").FullName;
        try
        {
            using (var model = AutoModel.FromPretrained(recorded.Folder))
                model.SavePretrained(folder);
            using (var again = AutoModel.FromPretrained(folder))
            {
                CheckLogits(recorded, again, "logits of what was written");
                using var before = Checkpoint.Open(recorded.Folder);
                using var after = Checkpoint.Open(folder);
                after.Entries.Keys.Should().BeSubsetOf(before.Entries.Keys);
                before.Entries.Keys.Except(after.Entries.Keys).Where(n => !n.EndsWith("inv_freq", StringComparison.Ordinal)).Should().BeSubsetOf(again.LoadReport!.Tied);
                foreach (var name in after.Entries.Keys)
                {
                    using var expected = before.Read(name);
                    using var actual = after.Read(name);
                    (actual.DType, actual.Shape).Should().Be((expected.DType, expected.Shape), name);
                    Bytes(actual).AsSpan().SequenceEqual(Bytes(expected)).Should().BeTrue("{0} has the same bytes", name);
                }
            }

            var (written, original) = (AutoConfig.FromPretrained(folder), AutoConfig.FromPretrained(recorded.Folder));
            (written.QuantizationBit, written.TorchDtype).Should().Be((original.QuantizationBit, original.TorchDtype));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private void CheckLogits(ConformanceCase recorded, ChatGLMForConditionalGeneration model, string what)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var expected = Expected(recorded);
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("logits"));
        closeness.Check(what, model.Forward(ModelTests.StepInputs("", expected)).Logits.ToFloatArray(), expected.Floats("logits"));
        closeness.Report(output, what);
    }

    private static RecordedTensors Expected(ConformanceCase recorded) => RecordedTensors.Read(recorded.PathOf("expected.safetensors"));

    private static RowQuantizedWeight? WeightOf(Module module) => module switch
    {
        Linear linear => linear.Weight as RowQuantizedWeight,
        QuantizedEmbedding embedding => embedding.Table as RowQuantizedWeight,
        _ => null,
    };

    /// <summary>The integers one by one, unpacked the obvious way.</summary>
    private static int[] Integers(RowQuantizedWeight weight)
    {
        var stored = weight.Weight.ToArray<sbyte>();
        return weight.Bits == 8 ? Array.ConvertAll(stored, b => (int)b) : stored.SelectMany(b => new[] { b >> 4, (sbyte)(b << 4) >> 4 }).ToArray();
    }

    private static IEnumerable<int> UnitsApart(Tensor actual, Tensor expected)
    {
        actual.DType.Should().Be(DType.Float16);
        expected.DType.Should().Be(DType.Float16);
        return actual.ToArray<Half>().Zip(expected.ToArray<Half>(), (a, e) => Math.Abs(BitConverter.HalfToInt16Bits(a) - BitConverter.HalfToInt16Bits(e)));
    }

    private static byte[] Bytes(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        return bytes;
    }
}
