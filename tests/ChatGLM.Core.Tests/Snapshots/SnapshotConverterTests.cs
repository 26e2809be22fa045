using ChatGLM.Core.Tests.Models;
using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Snapshots;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Snapshots;

public sealed class SnapshotConverterTests
{
    private static readonly SnapshotWriteOptions SmallPieces = new() { PieceBytes = 64, MaxShardSize = "6KB" };

    [Theory]
    [InlineData(1, DType.Float32, DType.Float16)]
    [InlineData(2, DType.Float32, DType.BFloat16)]
    [InlineData(1, DType.Float16, DType.Float32)]
    [InlineData(2, DType.BFloat16, DType.Float16)]
    [InlineData(2, DType.BFloat16, null)]
    public async Task Another_element_type_is_to_the_byte_what_a_model_loaded_in_it_would_save(int generation, DType from, DType? to)
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Of(generation), from);
        using (var model = AutoModel.FromPretrained(source.Path, new ModelOptions { Dtype = to }))
            model.SavePretrained(folder["expected"], new SaveOptions { MaxShardSize = SmallPieces.MaxShardSize });
        await SnapshotConverter.ConvertAsync(source.Path, folder["found"], to, SmallPieces);
        SnapshotQuantizerTests.RequireSameFiles(folder["expected"], folder["found"]);
    }

    [Fact]
    public async Task A_bin_file_becomes_safetensors()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.BFloat16);
        await SnapshotConverter.ConvertAsync(source.Path, folder["expected"]);
        SnapshotQuantizerTests.MakeBin(source);
        await SnapshotConverter.ConvertAsync(source.Path, folder["found"], options: SmallPieces with { MaxShardSize = "10GB" });
        SnapshotQuantizerTests.RequireSameFiles(folder["expected"], folder["found"]);
    }

    [Fact]
    public async Task Quantized_weights_stay_as_they_are_and_the_rest_changes_its_type()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.Float16);
        await SnapshotQuantizer.QuantizeAsync(source.Path, folder["rows"], 8);
        await SnapshotQuantizer.QuantizeAsync(source.Path, folder["groups"], new QuantizationConfig());
        foreach (var form in new[] { "rows", "groups" })
        {
            await SnapshotConverter.ConvertAsync(folder[form], folder[$"{form}-wide"], DType.Float32, SmallPieces);
            using var before = Checkpoint.Open(folder[form]);
            using var after = Checkpoint.Open(folder[$"{form}-wide"]);
            after.Entries.Keys.Should().BeEquivalentTo(before.Entries.Keys);
            foreach (var entry in before.Entries.Values)
            {
                var isPart = entry.DType is DType.Int8 or DType.UInt8 || entry.Name.EndsWith("_scale", StringComparison.Ordinal);
                after.Entries[entry.Name].DType.Should().Be(isPart ? entry.DType : DType.Float32, entry.Name);
                if (isPart)
                    after.Bytes(entry.Name).Span.SequenceEqual(before.Bytes(entry.Name).Span).Should().BeTrue(entry.Name);
            }

            AutoModel.FromPretrained(folder[$"{form}-wide"]).Dispose();
        }
    }

    [Fact]
    public async Task A_number_that_half_cannot_hold_is_named_instead_of_becoming_infinite()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        using (var model = TinyModels.Create(TinyModels.Second, DType.Float32))
        {
            model.StateDict()["transformer.encoder.layers.0.input_layernorm.weight"].AsSpan<float>()[17] = -70000;
            model.SavePretrained(source.Path);
        }

        await FluentActions.Awaiting(() => SnapshotConverter.ConvertAsync(source.Path, folder["new"], DType.Float16, SmallPieces)).Should().ThrowAsync<CheckpointException>()
            .WithMessage("*element 17 of 'transformer.encoder.layers.0.input_layernorm.weight'*65504*bfloat16*");
        Directory.Exists(folder["new"]).Should().BeFalse();
        await SnapshotConverter.ConvertAsync(source.Path, folder["new"], DType.BFloat16, SmallPieces);
    }

    [Fact]
    public async Task A_classifier_stays_one()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        using (var model = AutoModelForSequenceClassification.FromConfig(TinyModels.Second with { NumLabels = 3 }))
        {
            model.SavePretrained(source.Path);
            model.SavePretrained(folder["expected"], new SaveOptions { MaxShardSize = SmallPieces.MaxShardSize });
        }

        await SnapshotConverter.ConvertAsync(source.Path, folder["found"], options: SmallPieces);
        SnapshotQuantizerTests.RequireSameFiles(folder["expected"], folder["found"]);
    }

    [Fact]
    public async Task Integers_are_no_type_for_weights() =>
        await FluentActions.Awaiting(() => SnapshotConverter.ConvertAsync("x", "y", DType.Int8)).Should().ThrowAsync<ArgumentException>();
}
