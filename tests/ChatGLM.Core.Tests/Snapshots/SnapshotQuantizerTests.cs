using ChatGLM.Core.Tests.Models;
using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Snapshots;
using ChatGLM.Tensors;
using SkippableOnWindowsFactAttribute = ChatGLM.Core.Tests.Formats.SkippableOnWindowsFactAttribute;

namespace ChatGLM.Core.Tests.Snapshots;

public sealed class SnapshotQuantizerTests
{
    /// <summary>Pieces of one block of rows, so that small models have many.</summary>
    private static readonly SnapshotWriteOptions SmallPieces = new() { PieceBytes = 1, MaxShardSize = "6KB" };

    public static TheoryData<int, DType, QuantizationConfig> Groups()
    {
        var data = new TheoryData<int, DType, QuantizationConfig>();
        foreach (var generation in new[] { 1, 2 })
        {
            data.Add(generation, DType.Float16, new QuantizationConfig());
            data.Add(generation, DType.BFloat16, new QuantizationConfig { GroupSize = 64, Sym = false, HeadBits = 4 });
            data.Add(generation, DType.Float32, new QuantizationConfig { Bits = 8, GroupSize = 128, HeadBits = 0 });
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Groups))]
    public async Task A_group_wise_snapshot_is_to_the_byte_what_the_model_would_save(int generation, DType dtype, QuantizationConfig format)
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Of(generation), dtype);
        foreach (var options in new[] { SmallPieces, new SnapshotWriteOptions() })
        {
            var expected = folder[$"expected-{options.MaxShardSize}"];
            using (var model = AutoModel.FromPretrained(source.Path))
            {
                model.Quantize(format);
                model.SavePretrained(expected, new SaveOptions { MaxShardSize = options.MaxShardSize });
            }

            var report = await SnapshotQuantizer.QuantizeAsync(source.Path, folder[$"found-{options.MaxShardSize}"], format, options);
            RequireSameFiles(expected, report.Folder);
            report.WrittenBytes.Should().Be(TensorBytes(report.Folder));
            report.SourceBytes.Should().BeGreaterThanOrEqualTo(TensorBytes(source.Path));
        }
    }

    [Theory]
    [InlineData(1, 4, DType.Float16)]
    [InlineData(2, 4, DType.Float16)]
    [InlineData(1, 8, DType.Float32)]
    [InlineData(2, 8, DType.BFloat16)]
    public async Task A_row_wise_snapshot_is_to_the_byte_what_the_model_would_save(int generation, int bits, DType dtype)
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Of(generation), dtype);
        using (var model = AutoModel.FromPretrained(source.Path))
        {
            model.Quantize(bits);
            model.SavePretrained(folder["expected"], new SaveOptions { MaxShardSize = SmallPieces.MaxShardSize });
        }

        await SnapshotQuantizer.QuantizeAsync(source.Path, folder["found"], bits, SmallPieces);
        RequireSameFiles(folder["expected"], folder["found"]);
        using var loaded = AutoModel.FromPretrained(folder["found"]);
        loaded.NamedParameters().Should().OnlyContain(p => p.Parameter.Storage is MappedFile);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_tied_head_is_made_of_the_table_whether_the_file_holds_it_twice_or_once(bool isBin)
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.First with { TieWordEmbeddings = true }, DType.Float16);
        if (isBin)
            MakeBin(source, tied: true);
        using (var model = AutoModel.FromPretrained(source.Path))
        {
            model.Quantize(new QuantizationConfig());
            model.SavePretrained(folder["expected"]);
        }

        await SnapshotQuantizer.QuantizeAsync(source.Path, folder["found"], new QuantizationConfig(), SmallPieces with { MaxShardSize = "10GB" });
        RequireSameFiles(folder["expected"], folder["found"]);
    }

    [Fact]
    public async Task Progress_counts_the_bytes_of_the_source()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.Float16);
        var steps = new List<SnapshotProgress>();
        var report = await SnapshotQuantizer.QuantizeAsync(source.Path, folder["new"], 8, SmallPieces, new Synchronous(steps.Add));
        steps.Should().HaveCountGreaterThan(50).And.BeInAscendingOrder(s => s.DoneBytes);
        steps.Should().OnlyContain(s => s.TotalBytes == report.SourceBytes);
        steps[^1].DoneBytes.Should().Be(report.SourceBytes);
        report.SourceBytes.Should().Be(TensorBytes(source.Path));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(40)]
    public async Task A_run_that_is_cancelled_leaves_nothing(int afterPieces)
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.Float16);
        using var cancel = new CancellationTokenSource();
        var pieces = 0;
        var progress = new Synchronous(_ =>
        {
            if (++pieces == afterPieces)
                cancel.Cancel();
        });
        await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(source.Path, folder["a/b"], new QuantizationConfig(), SmallPieces, progress, cancel.Token))
            .Should().ThrowAsync<OperationCanceledException>();
        Directory.EnumerateFileSystemEntries(folder.Path).Should().BeEmpty("folders that were made for it go too");
    }

    [Fact]
    public async Task A_failure_on_the_way_reaches_the_caller_and_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.Float16);
        var pieces = 0;
        var progress = new Synchronous(_ =>
        {
            if (++pieces == 20)
                throw new IOException("No space left on device") { HResult = 28 };
        });
        (await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(source.Path, folder["new"], new QuantizationConfig(), SmallPieces, progress)).Should().ThrowAsync<SnapshotWriteException>())
            .WithMessage("*disk is full*need * bytes*").Which.Folder.Should().Be(folder["new"]);
        Directory.EnumerateFileSystemEntries(folder.Path).Should().BeEmpty();
    }

    [Fact]
    public async Task A_weight_that_cannot_be_quantized_is_named_with_its_row()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        using (var model = TinyModels.Create(TinyModels.Second))
        {
            model.StateDict()["transformer.encoder.layers.1.mlp.dense_h_to_4h.weight"].AsSpan<float>()[(70 * 32) + 3] = float.NaN;
            model.SavePretrained(source.Path);
        }

        // 70 is the seventh row of the block that begins at 64.
        (await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(source.Path, folder["new"], new QuantizationConfig(), SmallPieces)).Should().ThrowAsync<QuantizationException>())
            .WithMessage("*layers.1.mlp.dense_h_to_4h*from row 64 on*row 6 *NaN*");
        Directory.EnumerateFileSystemEntries(folder.Path).Should().BeEmpty();
    }

    [Fact]
    public async Task A_folder_in_use_is_refused_and_what_a_killed_run_left_is_not_in_the_way()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.Float16);
        File.WriteAllText(folder[$"model.safetensors.{Guid.NewGuid():N}.partial"], "half of something");
        File.WriteAllText(folder["mine.txt"], "mine");
        (await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(source.Path, folder.Path, 4)).Should().ThrowAsync<SnapshotWriteException>()).WithMessage("*holds 'mine.txt' already*");
        Directory.EnumerateFiles(folder.Path).Should().HaveCount(2);
        (await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(source.Path, folder["mine.txt"], 4)).Should().ThrowAsync<SnapshotWriteException>()).WithMessage("*this is a file*");
        File.Delete(folder["mine.txt"]);
        var report = await SnapshotQuantizer.QuantizeAsync(source.Path, folder.Path, 4);
        Directory.EnumerateFiles(folder.Path).Select(Path.GetFileName).Should().BeEquivalentTo([.. report.WeightFiles, .. report.OtherFiles]);
    }

    [Fact]
    public async Task What_is_quantized_already_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.Float16);
        await SnapshotQuantizer.QuantizeAsync(source.Path, folder["rows"], 8);
        await SnapshotQuantizer.QuantizeAsync(source.Path, folder["groups"], new QuantizationConfig());
        foreach (var done in new[] { "rows", "groups" })
        {
            await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(folder[done], folder["new"], 4)).Should().ThrowAsync<QuantizationException>().WithMessage("*already*");
            await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(folder[done], folder["new"], new QuantizationConfig())).Should().ThrowAsync<QuantizationException>().WithMessage("*already*");
        }

        Directory.Exists(folder["new"]).Should().BeFalse();
    }

    [Fact]
    public async Task Options_that_make_no_sense_are_refused_before_anything_is_read()
    {
        await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync("x", "y", 5)).Should().ThrowAsync<ArgumentOutOfRangeException>();
        await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync("x", "y", new QuantizationConfig { Bits = 8, Sym = false })).Should().ThrowAsync<ArgumentException>();
        await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync("x", "y", 4, new SnapshotWriteOptions { MemoryLimit = 1 })).Should().ThrowAsync<ArgumentOutOfRangeException>();
        await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync("x", "y", 4, new SnapshotWriteOptions { MaxShardSize = "many" })).Should().ThrowAsync<ArgumentException>();
        await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync("/there/is/no/such/folder", "y", 4)).Should().ThrowAsync<SnapshotNotFoundException>();
    }

    [Fact]
    public async Task Weights_that_do_not_fit_the_configuration_are_refused_before_the_folder_is_made()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        using (var model = TinyModels.Create(TinyModels.Second))
        {
            model.SavePretrained(source.Path);
            Safetensors.SaveFile(model.StateDict().Where(p => !p.Key.EndsWith("final_layernorm.weight", StringComparison.Ordinal)).ToDictionary(), source["model.safetensors"]);
        }

        await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(source.Path, folder["new"], 4)).Should().ThrowAsync<MissingWeightsException>().WithMessage("*final_layernorm*");
        (TinyModels.Second with { FfnHiddenSize = 64 }).SavePretrained(source.Path);
        using (var model = TinyModels.Create(TinyModels.Second))
            Safetensors.SaveFile(model.StateDict(), source["model.safetensors"]);
        await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(source.Path, folder["new"], 4)).Should().ThrowAsync<WeightShapeException>().WithMessage("*dense_h_to_4h*");
        Directory.EnumerateFileSystemEntries(folder.Path).Should().BeEmpty();
    }

    [Fact]
    public async Task Tokenizer_and_licence_travel_and_nothing_else_does()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.Float16);
        string[] travel = ["tokenizer.model", "tokenizer_config.json", "tokenization_chatglm.py", "MODEL_LICENSE", "README.md"];
        foreach (var name in travel)
            File.WriteAllText(source[name], $"this is {name}");
        string[] stay = ["pytorch_model.bin.index.json", "optimizer.pt", "adapter_config.json", "trainer_state.json", ".gitattributes", "training_args.bin"];
        foreach (var name in stay)
            File.WriteAllText(source[name], $"this is {name}");
        var report = await SnapshotQuantizer.QuantizeAsync(source.Path, folder["new"], 4);
        report.OtherFiles.Should().BeEquivalentTo([.. travel, "config.json", "generation_config.json"]);
        report.OtherFiles[^1].Should().Be("config.json", "a folder without it is no snapshot, so it comes last");
        foreach (var name in travel)
            File.ReadAllText(Path.Combine(report.Folder, name)).Should().Be($"this is {name}");
    }

    [SkippableOnWindowsFact]
    public async Task A_link_out_of_the_source_is_not_followed()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.Float16);
        File.WriteAllText(folder["secret.txt"], "secret");
        File.CreateSymbolicLink(source["tokenizer.model"], folder["secret.txt"]);
        await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(source.Path, folder["new"], 4)).Should().ThrowAsync<CheckpointException>().WithMessage("*link out of*");
        Directory.Exists(folder["new"]).Should().BeFalse();
    }

    [Fact]
    public async Task A_disk_without_room_says_so_before_anything_is_written()
    {
        using var folder = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second, DType.Float16);
        var options = SmallPieces with { FreeSpace = _ => 1000 };
        (await FluentActions.Awaiting(() => SnapshotQuantizer.QuantizeAsync(source.Path, folder["new"], 8, options)).Should().ThrowAsync<SnapshotWriteException>())
            .WithMessage("*weights need * bytes, the disk has 1000*");
        Directory.EnumerateFileSystemEntries(folder.Path).Should().BeEmpty();
        await SnapshotQuantizer.QuantizeAsync(source.Path, folder["new"], 8, options with { FreeSpace = _ => null });
    }

    internal static void RequireSameFiles(string expected, string found)
    {
        Directory.EnumerateFiles(found).Select(Path.GetFileName).Should().BeEquivalentTo(Directory.EnumerateFiles(expected).Select(Path.GetFileName));
        foreach (var file in Directory.EnumerateFiles(expected))
            File.ReadAllBytes(Path.Combine(found, Path.GetFileName(file))).AsSpan().SequenceEqual(File.ReadAllBytes(file)).Should().BeTrue($"{Path.GetFileName(file)} should be the same");
    }

    /// <summary>The snapshot's weights as a file of torch.save.</summary>
    internal static void MakeBin(TemporaryFolder source, bool tied = false)
    {
        using (var model = AutoModel.FromPretrained(source.Path))
        {
            var state = model.StateDict().ToDictionary(p => (object)p.Key, p => (object?)p.Value);
            if (tied)
                state["lm_head.weight"] = state["transformer.word_embeddings.weight"];
            TorchArchive.Save(state, source["pytorch_model.bin"]);
        }

        File.Delete(source["model.safetensors"]);
    }

    private static long TensorBytes(string folder)
    {
        using var checkpoint = Checkpoint.Open(folder);
        return checkpoint.Entries.Values.Sum(e => e.LengthInBytes);
    }

    private sealed class Synchronous(Action<SnapshotProgress> report) : IProgress<SnapshotProgress>
    {
        public void Report(SnapshotProgress value) => report(value);
    }
}
