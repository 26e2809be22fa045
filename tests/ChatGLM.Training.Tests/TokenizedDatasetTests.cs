using ChatGLM.Tokenizers;

namespace ChatGLM.Training.Tests;

public sealed class TokenizedDatasetTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private int _built;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Rows_are_those_of_the_records_in_their_order()
    {
        using var rows = Open(Data(2500));
        rows.Should().HaveCount(2 * 1250, "every other record gives two rows");
        rows.Select(row => row.InputIds[0]).Should().Equal(Enumerable.Range(0, 2500).Where(i => i % 2 == 1).SelectMany(i => new[] { i, i }));
        rows[3].Labels.Should().Equal(3);
        rows[2].Labels.Should().BeNull();
        FluentActions.Invoking(() => rows[2500]).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void Rows_are_the_same_for_any_number_of_workers()
    {
        using var one = Open(Data(3000), new() { NumWorkers = 1 });
        var expected = File.ReadAllBytes(one.CachePath);
        using var many = Open(Data(3000), new() { NumWorkers = 7, OverwriteCache = true });
        File.ReadAllBytes(many.CachePath).Should().Equal(expected);
    }

    [Fact]
    public void Rows_that_were_kept_are_used_again_and_only_for_the_same()
    {
        var data = Data(10);
        Open(data).Dispose();
        _built.Should().Be(10);
        using (var again = Open(data))
            (again.WasKept, _built, again.Count).Should().Be((true, 10, 10));
        Open(data, new() { MaxSamples = 4 }).Dispose();
        _built.Should().Be(14);
        Open(data, fingerprint: "other options").Dispose();
        _built.Should().Be(24);
        Open(data, new() { OverwriteCache = true }).Dispose();
        _built.Should().Be(34);
        File.AppendAllText(data, "{\"n\": \"11\"}\n");
        using var changed = Open(data);
        (changed.WasKept, _built).Should().Be((false, 45));
        // The same content elsewhere is the same data.
        Directory.CreateDirectory(_folder["other"]);
        File.Copy(data, Path.Combine(_folder["other"], "data.json"));
        Open(Path.Combine(_folder["other"], "data.json")).Dispose();
        _built.Should().Be(45);
    }

    [Fact]
    public void Damaged_rows_are_made_anew_whatever_the_damage()
    {
        var data = Data(40);
        string path;
        byte[] whole;
        using (var rows = Open(data))
            (path, whole) = (rows.CachePath, File.ReadAllBytes(rows.CachePath));
        var random = new Random(5);
        for (var i = 0; i < 60; i++)
        {
            var damaged = (byte[])whole.Clone();
            if (i % 3 == 0)
                damaged = damaged[..random.Next(damaged.Length)];
            else if (i % 3 == 1)
                damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            else
                damaged = [.. damaged, 0];
            File.WriteAllBytes(path, damaged);
            using var again = Open(data);
            again.WasKept.Should().BeFalse();
            File.ReadAllBytes(path).Should().Equal(whole);
        }
    }

    [Fact]
    public void Processes_that_open_the_same_data_at_the_same_time_all_get_it()
    {
        var data = Data(4000);
        var sums = new long[8];
        Parallel.For(0, sums.Length, new ParallelOptions { MaxDegreeOfParallelism = sums.Length }, i =>
        {
            using var rows = Open(data);
            sums[i] = rows.Sum(row => (long)row.InputIds[0]);
        });
        sums.Should().AllBeEquivalentTo(sums[0]);
        Directory.EnumerateFiles(_folder["cache"]).Should().ContainSingle();
    }

    [Fact]
    public void Nothing_is_left_of_data_that_is_damaged()
    {
        File.WriteAllText(_folder["bad.json"], "{\"n\": \"1\"}\n{\"n\": ");
        FluentActions.Invoking(() => Open(_folder["bad.json"])).Should().Throw<TrainingDataException>().WithMessage("*record 2*");
        Directory.EnumerateFileSystemEntries(_folder["cache"]).Should().BeEmpty();
    }

    [Fact]
    public void What_a_process_that_died_has_left_is_removed()
    {
        var data = Data(3);
        string path;
        using (var rows = Open(data))
            path = rows.CachePath;
        File.WriteAllText(path + ".0123.partial", "left");
        Open(data, new() { OverwriteCache = true }).Dispose();
        Directory.EnumerateFiles(_folder["cache"]).Should().Equal(path);
    }

    [Fact]
    public void The_first_error_of_the_file_is_told_for_any_number_of_workers()
    {
        var data = Data(900);
        foreach (var workers in new[] { 1, 4 })
        {
            var features = new FeatureBuilder("f", record => record.Text("n") is "300" or "800" ? throw new TrainingDataException(record.Origin, "bad") : []);
            FluentActions.Invoking(() => TokenizedDataset.Open(data, features, new() { CacheFolder = _folder["cache"], NumWorkers = workers }))
                .Should().Throw<TrainingDataException>().WithMessage("*record 301 *");
        }
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_named()
    {
        File.WriteAllText(_folder["file"], "");
        FluentActions.Invoking(() => TokenizedDataset.Open(Data(1), Features("f"), new() { CacheFolder = _folder["file"] })).Should().Throw<TrainingDataException>().WithMessage("*file*cache_dir*");
    }

    [Fact]
    public void Memory_is_bounded_by_a_portion_of_records()
    {
        // 24 MB of rows of 4 KB; what is alive while a row is given out must not grow with them.
        var data = Data(6000);
        var most = 0L;
        var features = new FeatureBuilder("large", record =>
        {
            if (record.Text("n").EndsWith("500", StringComparison.Ordinal))
                most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true));
            return [new TokenizedExample(new int[1024])];
        });
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var rows = TokenizedDataset.Open(data, features, new() { CacheFolder = _folder["cache"], NumWorkers = 1 });
        new FileInfo(rows.CachePath).Length.Should().BeGreaterThan(24_000_000);
        (most - before).Should().BeLessThan(12 << 20);
    }

    [Fact]
    public void Rows_of_a_script_go_by_tokenizer_and_options()
    {
        File.WriteAllText(_folder["train.json"], "{\"content\": \"类型#裤\", \"summary\": \"这条裤子\"}");
        var (second, third) = (SmallTokenizer.Open(ChatGLMGeneration.ChatGLM2), SmallTokenizer.Open(ChatGLMGeneration.ChatGLM3));
        IFeatureBuilder[] builders =
        [
            new Seq2SeqFeatures(second).Training, new Seq2SeqFeatures(second).Prompts, new Seq2SeqFeatures(third).Training,
            new Seq2SeqFeatures(second, new() { MaxSourceLength = 8 }).Training, new Seq2SeqFeatures(second, new() { SourcePrefix = "x" }).Training, new ConversationFeatures(third).Training,
        ];
        builders.Select(builder => builder.Fingerprint).Should().OnlyHaveUniqueItems();
        new Seq2SeqFeatures(SmallTokenizer.Open(ChatGLMGeneration.ChatGLM2)).Training.Fingerprint.Should().Be(builders[0].Fingerprint, "it is the same tokenizer");
        using var rows = TokenizedDataset.Open(_folder["train.json"], builders[0], new() { CacheFolder = _folder["cache"] });
        rows.Should().BeEquivalentTo(new Seq2SeqFeatures(second).Train(TrainingFile.ReadRecords(_folder["train.json"])));
    }

    private FeatureBuilder Features(string fingerprint) => new(fingerprint, record =>
    {
        Interlocked.Increment(ref _built);
        var n = int.Parse(record.Text("n"), System.Globalization.CultureInfo.InvariantCulture);
        return n % 2 == 0 ? [] : [new TokenizedExample([n]), new TokenizedExample([n, n], [n])];
    });

    private TokenizedDataset Open(string data, TokenizedDatasetOptions? options = null, string fingerprint = "f") =>
        TokenizedDataset.Open(data, Features(fingerprint), (options ?? new()) with { CacheFolder = _folder["cache"] });

    private string Data(int records)
    {
        File.WriteAllLines(_folder["data.json"], Enumerable.Range(0, records).Select(i => $$"""{"n": "{{i}}"}"""));
        return _folder["data.json"];
    }
}
