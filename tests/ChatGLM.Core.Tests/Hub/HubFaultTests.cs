using ChatGLM.Hub;

namespace ChatGLM.Core.Tests.Hub;

/// <summary>What servers, networks and disks do wrong, and what a user sees of it.</summary>
public sealed class HubFaultTests
{
    private static readonly string[] SmallFiles = ["config.json", "generation_config.json", "model.safetensors"];

    [Fact]
    public async Task Takes_a_cut_download_up_where_it_stopped()
    {
        using var setup = new HubSetup();
        setup.FailContent(times: 3, new TestFault { CutAfter = 30_000 });
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
        var starts = setup.Hub.Downloads.Where(r => r.IsStore).Select(r => r.From).ToList();
        starts.Should().HaveCount(4).And.BeInAscendingOrder().And.OnlyHaveUniqueItems();
        starts[0].Should().Be(0);
        starts[^1].Should().BeLessThanOrEqualTo(90_000);
    }

    [Fact]
    public async Task Starts_over_where_a_server_does_not_do_ranges()
    {
        using var setup = new HubSetup();
        var attempts = 0;
        setup.Hub.Fault = r => r.IsContent && r.IsStore ? new TestFault { IgnoresRange = true, CutAfter = ++attempts == 1 ? 50_000 : null } : null;
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
        attempts.Should().Be(2);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task Waits_as_long_as_a_busy_server_asks(int status)
    {
        using var setup = new HubSetup();
        var left = 2;
        setup.Hub.Fault = _ => Interlocked.Decrement(ref left) >= 0 ? new TestFault { Status = status, Headers = { ["Retry-After"] = "7" } } : null;
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
        setup.Delays.Should().Equal(TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(7));
    }

    [Fact]
    public async Task Waits_until_the_date_that_a_busy_server_names()
    {
        using var setup = new HubSetup();
        var left = 1;
        var date = DateTimeOffset.UtcNow.AddSeconds(60).ToString("R");
        setup.Hub.Fault = _ => Interlocked.Decrement(ref left) >= 0 ? new TestFault { Status = 503, Headers = { ["Retry-After"] = date } } : null;
        await setup.DownloadAsync();
        setup.Delays.Should().ContainSingle().Which.TotalSeconds.Should().BeInRange(30, 61);
    }

    [Fact]
    public async Task A_server_that_asks_for_hours_is_reported()
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = _ => new TestFault { Status = 429, Headers = { ["Retry-After"] = "7200" } };
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubUnavailableException>().WithMessage("*429*7200*");
        setup.Delays.Should().BeEmpty();
    }

    [Fact]
    public async Task Waits_longer_from_attempt_to_attempt_and_gives_up()
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = _ => new TestFault { Status = 500 };
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubUnavailableException>().WithMessage("*500*attempt 6*");
        setup.Delays.Should().HaveCount(5).And.BeInAscendingOrder();
        setup.Delays.First().TotalSeconds.Should().BeInRange(0.75, 1.25);
        setup.Delays.Last().TotalSeconds.Should().BeInRange(12, 20);
    }

    [Fact]
    public async Task A_download_that_does_not_move_on_gives_up()
    {
        using var setup = new HubSetup();
        setup.FailContent(times: int.MaxValue, new TestFault { CutAfter = 1 });
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubUnavailableException>().WithMessage("*model.safetensors*");
        setup.Hub.Downloads.Count(r => r.IsStore).Should().Be(6);
        setup.Hub.Fault = _ => null;
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
    }

    [Fact]
    public async Task A_silent_server_is_asked_again()
    {
        using var setup = new HubSetup();
        setup.Options = setup.Options with { Timeout = TimeSpan.FromSeconds(3) };
        var (silent, half) = (1, 1);
        setup.Hub.Fault = r => Interlocked.Decrement(ref silent) >= 0 ? new TestFault { IsSilent = true }
            : r.IsContent && Interlocked.Decrement(ref half) >= 0 ? new TestFault { IsSilentAfterHeaders = true } : null;
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
        setup.Delays.Should().HaveCountGreaterThanOrEqualTo(2);
    }

    [Fact]
    public async Task Nobody_at_the_address_is_reported_after_few_attempts()
    {
        using var setup = new HubSetup();
        setup.Hub.Dispose();
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubUnavailableException>().WithMessage("*cannot be reached*HF_ENDPOINT*");
        setup.Delays.Should().HaveCount(2);
    }

    [Fact]
    public async Task The_cached_snapshot_serves_when_the_hub_is_away()
    {
        using var setup = new HubSetup();
        var folder = await setup.DownloadAsync();
        setup.Hub.Dispose();
        (await setup.DownloadAsync()).Should().Be(folder);
        await setup.Invoking(s => s.DownloadAsync(parts: SnapshotParts.Tokenizer)).Should().ThrowAsync<HubUnavailableException>("the cache has no tokenizer");
    }

    [Theory]
    [InlineData("model.safetensors", "checksum*")]
    [InlineData("config.json", "checksum*")]
    public async Task Wrong_bytes_never_get_a_name(string name, string says)
    {
        using var setup = new HubSetup();
        var wrong = (byte[])setup.Repository.Files[name].Clone();
        wrong[^1] ^= 1;
        setup.Hub.Fault = r => r.IsContent && r.IsStore == (name != "config.json") && (r.IsStore || r.Target.EndsWith("/config.json")) ? new TestFault { Content = wrong } : null;
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubIntegrityException>().WithMessage($"*{name}*{says}");
        setup.BlobNames.Should().NotContain(setup.Repository.BlobName(name)).And.NotContain(n => n.StartsWith(setup.Repository.BlobName(name)), "nothing wrong is taken up later");
        File.Exists(Path.Combine(setup.Store, "refs", "main")).Should().BeFalse();
        setup.Hub.Fault = _ => null;
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
    }

    [Fact]
    public async Task Wrong_bytes_left_by_an_earlier_run_are_replaced()
    {
        using var setup = new HubSetup();
        Directory.CreateDirectory(Path.Combine(setup.Store, "blobs"));
        await File.WriteAllBytesAsync(setup.Blob("model.safetensors") + ".incomplete", new byte[1234]);
        await File.WriteAllBytesAsync(setup.Blob("config.json") + ".incomplete", new byte[99_999]);
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
        setup.Hub.Downloads.Where(r => r.IsStore).Select(r => r.From).Should().Equal(1234, 0);
    }

    [Fact]
    public async Task A_whole_incomplete_file_is_checked_and_kept()
    {
        using var setup = new HubSetup();
        Directory.CreateDirectory(Path.Combine(setup.Store, "blobs"));
        await File.WriteAllBytesAsync(setup.Blob("model.safetensors") + ".incomplete", setup.Repository.Files["model.safetensors"]);
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
        setup.Hub.Downloads.Should().NotContain(r => r.IsStore);
    }

    [Theory]
    [InlineData(199_999, false)]
    [InlineData(200_001, false)]
    [InlineData(250_000, false)]
    [InlineData(250_000, true)]
    [InlineData(100_000, true)]
    public async Task A_wrong_length_is_reported(int bytes, bool hidesLength)
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = r => r.IsStore ? new TestFault { Content = new byte[bytes], HidesLength = hidesLength } : null;
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubIntegrityException>().WithMessage("*model.safetensors*200000*");
        setup.BlobNames.Should().NotContain(n => n.Contains(setup.Repository.BlobName("model.safetensors")));
    }

    [Fact]
    public async Task Right_bytes_without_a_length_are_taken()
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = r => r.IsStore ? new TestFault { HidesLength = true } : null;
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
    }

    [Fact]
    public async Task A_blob_that_lost_its_end_is_downloaded_again()
    {
        using var setup = new HubSetup();
        await setup.DownloadAsync();
        using (var blob = File.OpenWrite(setup.Blob("model.safetensors")))
            blob.SetLength(77);
        setup.ShouldHold(await setup.DownloadAsync(), SmallFiles);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Stopped_and_cut_at_random_points_it_still_ends_with_the_right_bytes(int seed)
    {
        var random = new Random(seed);
        var repository = TestRepository.Random(seed, ("config.json", 500), ("model.safetensors.index.json", 1), ("a.safetensors", 150_000), ("b.safetensors", 90_001));
        repository.Files["model.safetensors.index.json"] = """{"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}"""u8.ToArray();
        using var setup = new HubSetup(repository);
        setup.Hub.BytesPerSecond = 3_000_000;
        setup.Options = setup.Options with { MaxRetries = 2 };
        var gate = new Lock();
        setup.Hub.Fault = r =>
        {
            lock (gate)
                return random.Next(4) switch { 0 => new TestFault { CutAfter = random.Next(60_000) }, 1 when r.IsContent => new TestFault { Status = 503 }, _ => null };
        };
        string? folder = null;
        for (var attempt = 0; folder is null; attempt++)
        {
            attempt.Should().BeLessThan(500);
            using var stop = new CancellationTokenSource();
            int milliseconds;
            lock (gate)
                milliseconds = random.Next(60);
            stop.CancelAfter(milliseconds);
            try
            {
                folder = await setup.DownloadAsync(cancellationToken: stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or HubUnavailableException)
            {
                File.Exists(Path.Combine(setup.Store, "refs", "main")).Should().BeFalse("a snapshot that is not whole has no name");
            }
        }

        setup.ShouldHold(folder, "config.json", "model.safetensors.index.json", "a.safetensors", "b.safetensors");
    }

    [Fact]
    public async Task A_full_disk_is_told_before_anything_arrives()
    {
        using var setup = new HubSetup();
        setup.Options = setup.Options with { FreeSpace = _ => 1000 };
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubDiskFullException>().WithMessage("*200,390*1,000*HF_HOME*");
        setup.Hub.Downloads.Should().BeEmpty();
    }

    [Fact]
    public async Task A_cache_that_cannot_be_written_is_named()
    {
        using var setup = new HubSetup();
        var file = setup.Cache["file"];
        await File.WriteAllTextAsync(file, "");
        setup.Options = setup.Options with { CacheDir = file };
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubCacheException>().WithMessage($"*{file}*");
    }
}
