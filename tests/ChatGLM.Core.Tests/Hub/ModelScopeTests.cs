using ChatGLM.Hub;

namespace ChatGLM.Core.Tests.Hub;

public sealed class ModelScopeTests
{
    private static readonly string[] SmallFiles = ["config.json", "generation_config.json", "model.safetensors"];

    [Fact]
    public async Task Downloads_checks_and_takes_up()
    {
        using var setup = Create();
        var left = 1;
        setup.Hub.Fault = r => r.IsContent && r.Target.EndsWith("model.safetensors") && Interlocked.Decrement(ref left) >= 0 ? new TestFault { CutAfter = 70_000 } : null;
        var folder = await setup.DownloadAsync();
        setup.ShouldHold(folder, SmallFiles);
        setup.BlobNames.Should().BeEquivalentTo(SmallFiles.Select(f => TestRepository.Sha256Of(setup.Repository.Files[f])));
        File.ReadAllText(Path.Combine(setup.Store, "refs", "master")).Should().Be(Path.GetFileName(folder)).And.HaveLength(40);
        setup.Hub.Requests.Clear();
        (await setup.DownloadAsync()).Should().Be(folder, "the same files are the same snapshot");
        setup.Hub.Downloads.Should().BeEmpty();
        setup.Repository.Files["README.md"] = [1];
        (await setup.DownloadAsync()).Should().NotBe(folder);
    }

    [Fact]
    public async Task Wrong_bytes_are_refused()
    {
        using var setup = Create();
        setup.Hub.Fault = r => r.IsContent && r.Target.EndsWith("model.safetensors") ? new TestFault { Content = new byte[200_000] } : null;
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubIntegrityException>().WithMessage("*model.safetensors*");
    }

    [Fact]
    public async Task A_repo_that_is_not_there_is_named()
    {
        using var setup = Create();
        using var client = new HubClient(setup.Options);
        await client.Invoking(c => c.SnapshotDownloadAsync("THUDM/none")).Should().ThrowAsync<RepositoryNotFoundException>().WithMessage("*THUDM/none*ZhipuAI*");
    }

    private static HubSetup Create()
    {
        var setup = new HubSetup();
        setup.Options = setup.Options with { Source = HubSource.ModelScope };
        return setup;
    }
}
