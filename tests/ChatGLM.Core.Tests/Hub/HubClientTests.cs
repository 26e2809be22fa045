using System.Text;
using ChatGLM.Hub;

namespace ChatGLM.Core.Tests.Hub;

public sealed class HubClientTests
{
    private static readonly string[] SmallFiles = ["config.json", "generation_config.json", "model.safetensors"];

    [Fact]
    public async Task Writes_the_layout_of_huggingface_hub()
    {
        using var setup = new HubSetup();
        var folder = await setup.DownloadAsync();
        folder.Should().Be(Path.Combine(setup.Store, "snapshots", setup.Repository.Commit));
        setup.ShouldHold(folder, SmallFiles);
        setup.BlobNames.Should().BeEquivalentTo(SmallFiles.Select(setup.Repository.BlobName));
        File.ReadAllText(Path.Combine(setup.Store, "refs", "main")).Should().Be(setup.Repository.Commit, "Python reads it without trimming");
        if (!OperatingSystem.IsWindows())
        {
            foreach (var file in SmallFiles)
                new FileInfo(Path.Combine(folder, file)).LinkTarget.Should().Be($"../../blobs/{setup.Repository.BlobName(file)}");
        }

        Directory.GetFiles(Path.Combine(setup.Cache.Path, ".locks", "models--THUDM--chatglm-test")).Should().HaveCount(3).And.OnlyContain(f => f.EndsWith(".lock"));
    }

    [Fact]
    public async Task Marks_what_a_commit_lacks()
    {
        var repository = TestRepository.Random(2, ("config.json", 10), ("pytorch_model.bin", 2000));
        using var setup = new HubSetup(repository);
        setup.ShouldHold(await setup.DownloadAsync(), "config.json", "pytorch_model.bin");
        Directory.GetFiles(Path.Combine(setup.Store, ".no_exist", repository.Commit)).Select(Path.GetFileName)
            .Should().BeEquivalentTo("generation_config.json", "model.safetensors", "model.safetensors.index.json");
    }

    [Fact]
    public async Task Downloads_nothing_twice()
    {
        using var setup = new HubSetup();
        var folder = await setup.DownloadAsync();
        var before = setup.Hub.Downloads.Count();
        (await setup.DownloadAsync()).Should().Be(folder);
        setup.Hub.Downloads.Count().Should().Be(before);
        setup.Hub.Requests.Clear();
        (await setup.DownloadAsync(setup.Repository.Commit)).Should().Be(folder);
        setup.Hub.Requests.Should().BeEmpty("a commit never changes");
    }

    [Fact]
    public async Task A_new_commit_takes_over_the_blobs_that_did_not_change()
    {
        using var setup = new HubSetup();
        var first = await setup.DownloadAsync();
        setup.Repository.Commit = new string('b', 40);
        setup.Repository.Files["config.json"] = Encoding.UTF8.GetBytes("{\"new\": true}");
        setup.Hub.Requests.Clear();
        var second = await setup.DownloadAsync();
        second.Should().NotBe(first);
        setup.ShouldHold(second, SmallFiles);
        setup.Hub.Downloads.Should().ContainSingle().Which.Target.Should().EndWith("config.json");
        File.ReadAllText(Path.Combine(setup.Store, "refs", "main")).Should().Be(setup.Repository.Commit);
        Directory.Exists(first).Should().BeTrue();
    }

    [Theory]
    [InlineData("model.safetensors", "model.safetensors,pytorch_model.bin,model.safetensors.index.json")]
    [InlineData("model.safetensors.index.json,a.safetensors,b.safetensors", "model.safetensors.index.json,a.safetensors,b.safetensors,c.safetensors,pytorch_model.bin")]
    [InlineData("pytorch_model.bin", "pytorch_model.bin,pytorch_model.bin.index.json")]
    [InlineData("pytorch_model.bin.index.json,a.bin,b.bin", "pytorch_model.bin.index.json,a.bin,b.bin")]
    public async Task Takes_the_weights_once_and_safetensors_first(string wanted, string offered)
    {
        var repository = TestRepository.Random(3, [("config.json", 20), .. offered.Split(',').Select(n => (n, 1500))]);
        foreach (var index in repository.Files.Keys.Where(n => n.EndsWith("index.json")).ToList())
        {
            var ending = index.Contains("safetensors") ? "safetensors" : "bin";
            repository.Files[index] = Encoding.UTF8.GetBytes($$$"""{"weight_map": {"x": "a.{{{ending}}}", "y": "b.{{{ending}}}", "z": "a.{{{ending}}}"}}""");
        }

        using var setup = new HubSetup(repository);
        setup.ShouldHold(await setup.DownloadAsync(), ["config.json", .. wanted.Split(',')]);
    }

    [Theory]
    [InlineData(SnapshotParts.Config, "config.json,generation_config.json")]
    [InlineData(SnapshotParts.Tokenizer, "config.json,tokenizer.model,tokenizer_config.json,tokenization_chatglm.py")]
    [InlineData(SnapshotParts.Adapter, "adapter_config.json,adapter_model.safetensors")]
    [InlineData(SnapshotParts.Model, "config.json,generation_config.json,model.safetensors,tokenizer.model,tokenizer_config.json,tokenization_chatglm.py")]
    public async Task Downloads_the_parts_that_are_wanted(SnapshotParts parts, string wanted)
    {
        string[] all =
        [
            "config.json", "generation_config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json", "tokenization_chatglm.py",
            "modeling_chatglm.py", "README.md", "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin",
        ];
        using var setup = new HubSetup(TestRepository.Random(4, [.. all.Select(n => (n, 50))]));
        setup.ShouldHold(await setup.DownloadAsync(parts: parts), wanted.Split(','));
    }

    [Fact]
    public async Task A_branch_with_slashes_is_kept_as_one()
    {
        using var setup = new HubSetup();
        await setup.DownloadAsync("refs/pr/1");
        setup.Hub.Requests.First().Target.Should().EndWith("/revision/refs%2Fpr%2F1");
        File.ReadAllText(Path.Combine(setup.Store, "refs", "refs", "pr", "1")).Should().Be(setup.Repository.Commit);
    }

    [Fact]
    public async Task Downloads_a_single_file_even_from_a_folder()
    {
        var repository = TestRepository.Random(5, ("config.json", 10), ("docs/a b#?.bin", 5000), ("empty.txt", 0));
        using var setup = new HubSetup(repository);
        using var client = new HubClient(setup.Options);
        var path = await client.DownloadFileAsync(HubSetup.Repo, "docs/a b#?.bin");
        File.ReadAllBytes(path).Should().Equal(repository.Files["docs/a b#?.bin"]);
        File.ReadAllBytes(await client.DownloadFileAsync(HubSetup.Repo, "empty.txt")).Should().BeEmpty();
        await client.Invoking(c => c.DownloadFileAsync(HubSetup.Repo, "none.bin")).Should().ThrowAsync<HubFileNotFoundException>().WithMessage("*none.bin*");
        await client.Invoking(c => c.DownloadFileAsync(HubSetup.Repo, "../none.bin")).Should().ThrowAsync<HubProtocolException>().WithMessage("*../none.bin*");
    }

    [Fact]
    public async Task Without_links_the_snapshot_holds_the_files_themselves()
    {
        using var setup = new HubSetup();
        setup.Options = setup.Options with { UseLinks = false };
        var folder = await setup.DownloadAsync();
        setup.ShouldHold(folder, SmallFiles);
        new FileInfo(Path.Combine(folder, "config.json")).LinkTarget.Should().BeNull();
        setup.BlobNames.Should().BeEmpty("two copies of twelve gigabytes are one too many");
        setup.Hub.Requests.Clear();
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
        setup.Hub.Downloads.Should().BeEmpty();
    }

    [Fact]
    public async Task Reports_bytes_rate_and_time_left_and_ends_at_the_total()
    {
        using var setup = new HubSetup(TestRepository.Small(weightBytes: 400_000));
        setup.Hub.BytesPerSecond = 1_000_000;
        var reports = new List<HubProgress>();
        setup.Options = setup.Options with { Progress = new Listener(reports.Add) };
        await setup.DownloadAsync();
        var last = reports[^1];
        last.DownloadedBytes.Should().Be(last.TotalBytes).And.Be(400_390);
        (last.CompletedFiles, last.TotalFiles, last.Remaining).Should().Be((3, 3, TimeSpan.Zero));
        reports.Should().BeInAscendingOrder(r => r.DownloadedBytes);
        reports.Where(r => r.DownloadedBytes < r.TotalBytes).Should().Contain(r => r.BytesPerSecond > 0 && r.Remaining > TimeSpan.Zero);
        reports.Should().HaveCountLessThan(40, "ten a second are enough");
    }

    [Fact]
    public async Task Several_clients_at_once_download_each_file_once()
    {
        using var setup = new HubSetup();
        setup.Hub.BytesPerSecond = 500_000;
        var folders = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => setup.DownloadAsync())));
        folders.Distinct().Should().ContainSingle();
        setup.ShouldHold(folders[0], SmallFiles);
        setup.Hub.Downloads.Should().HaveCount(4, "the large one takes two requests: its redirect and its content");
    }

    [Fact]
    public async Task Waits_for_the_lock_of_another_process_and_can_be_stopped()
    {
        using var setup = new HubSetup();
        var locks = Path.Combine(setup.Cache.Path, ".locks", "models--THUDM--chatglm-test");
        Directory.CreateDirectory(locks);
        using var stop = new CancellationTokenSource();
        using (new FileStream(Path.Combine(locks, setup.Repository.BlobName("model.safetensors") + ".lock"), FileMode.Create, FileAccess.ReadWrite, FileShare.None))
        {
            var waiting = setup.DownloadAsync(cancellationToken: stop.Token);
            (await Task.WhenAny(waiting, Task.Delay(300))).Should().NotBe(waiting);
            await stop.CancelAsync();
            await waiting.Invoking(w => w).Should().ThrowAsync<OperationCanceledException>();
        }

        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
    }

    private sealed class Listener(Action<HubProgress> report) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) => report(value);
    }
}
