using ChatGLM.Core.Tests.Models;
using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Hub;
using ChatGLM.Models;
using ChatGLM.Snapshots;
using ChatGLM.Tokenizers;
using TemporaryFolder = ChatGLM.Core.Tests.Models.TemporaryFolder;

namespace ChatGLM.Core.Tests.Hub;

/// <summary>A repo id is enough.</summary>
public sealed class HubFromPretrainedTests
{
    [Fact]
    public void Loads_a_model_by_its_repo_id_and_then_without_a_network()
    {
        using var setup = Create();
        var options = new ModelOptions { Hub = setup.Options };
        using (var model = AutoModel.FromPretrained(HubSetup.Repo, options))
            model.LoadReport!.Folder.Should().StartWith(setup.Store);
        setup.Hub.Requests.Clear();
        AutoTokenizer.FromPretrained(HubSetup.Repo, new() { Hub = setup.Options }).Generation.Should().Be(ChatGLMGeneration.ChatGLM2);
        setup.Hub.Downloads.Should().NotContain(r => r.IsStore && r.Target.Contains(setup.Repository.BlobName("model.safetensors")), "the weights are there");

        setup.Hub.Dispose();
        using (AutoModel.FromPretrained(HubSetup.Repo, options))
        {
        }

        AutoConfig.FromPretrained(HubSetup.Repo, options).NumLayers.Should().Be(TinyModels.Second.NumLayers);
        AutoTokenizer.FromPretrained(HubSetup.Repo, new() { CacheDir = setup.Cache.Path, LocalFilesOnly = true }).VocabSize.Should().BePositive();
    }

    [Fact]
    public async Task Loads_without_holding_a_thread()
    {
        using var setup = Create();
        var options = new ModelOptions { Hub = setup.Options, Revision = "refs/pr/1" };
        (await AutoConfig.FromPretrainedAsync(HubSetup.Repo, options)).Should().BeOfType<ChatGLM2Config>();
        (await AutoTokenizer.FromPretrainedAsync(HubSetup.Repo, new() { Hub = setup.Options, Revision = "refs/pr/1" })).VocabSize.Should().BePositive();
        using var model = await AutoModel.FromPretrainedAsync(HubSetup.Repo, options);
        using var classifier = await AutoModelForSequenceClassification.FromPretrainedAsync(
            HubSetup.Repo, options with { ConfigOverrides = c => (ChatGLM2Config)c with { NumLabels = 3 } });
        classifier.LoadReport!.Fresh.Should().NotBeEmpty();
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        await FluentActions.Awaiting(() => AutoModel.FromPretrainedAsync(HubSetup.Repo, options with { Revision = "main" }, stop.Token))
            .Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public void A_repo_that_only_its_name_tells_is_known_in_the_cache()
    {
        using var setup = Create();
        setup.Repository.Files["tokenizer_config.json"] = "{}"u8.ToArray();
        setup.Hub.Repositories["x/my-chatglm3"] = setup.Repository;
        AutoTokenizer.FromPretrained("x/my-chatglm3", new() { Hub = setup.Options }).Generation.Should().Be(ChatGLMGeneration.ChatGLM3);
    }

    [Fact]
    public void Local_files_only_says_what_the_cache_lacks()
    {
        using var setup = Create();
        FluentActions.Invoking(() => AutoModel.FromPretrained(HubSetup.Repo, new() { Hub = setup.Options, LocalFilesOnly = true }))
            .Should().Throw<SnapshotNotFoundException>().WithMessage($"*{HubSetup.Repo}*cache*");
        FluentActions.Invoking(() => AutoTokenizer.FromPretrained(HubSetup.Repo, new() { Hub = setup.Options, LocalFilesOnly = true }))
            .Should().Throw<SnapshotNotFoundException>();
        setup.Hub.Requests.Should().BeEmpty();
    }

    [Fact]
    public void A_folder_that_is_not_there_asks_no_hub()
    {
        using var setup = Create();
        FluentActions.Invoking(() => AutoModel.FromPretrained("no-such-folder", new() { Hub = setup.Options })).Should().Throw<SnapshotNotFoundException>();
        FluentActions.Invoking(() => AutoTokenizer.FromPretrained("/a/b", new() { Hub = setup.Options })).Should().Throw<SnapshotNotFoundException>();
        setup.Hub.Requests.Should().BeEmpty();
    }

    [Fact]
    public void The_weights_of_an_unknown_model_are_not_downloaded()
    {
        using var setup = Create();
        setup.Repository.Files["config.json"] = """{"model_type": "llama"}"""u8.ToArray();
        FluentActions.Invoking(() => AutoModel.FromPretrained(HubSetup.Repo, new() { Hub = setup.Options })).Should().Throw<UnsupportedModelException>();
        setup.Hub.Downloads.Should().NotContain(r => r.Target.Contains("model.safetensors") || r.IsStore);
    }

    [Fact]
    public void An_interrupted_snapshot_is_made_whole()
    {
        using var setup = Create();
        setup.Hub.Fault = r => r.IsStore ? new TestFault { CutAfter = 10 } : null;
        var options = new ModelOptions { Hub = setup.Options };
        FluentActions.Invoking(() => AutoModel.FromPretrained(HubSetup.Repo, options)).Should().Throw<HubUnavailableException>();
        setup.Hub.Fault = _ => null;
        using var model = AutoModel.FromPretrained(HubSetup.Repo, options);
        model.LoadReport!.Missing.Should().BeEmpty();
    }

    private static HubSetup Create()
    {
        using var folder = new TemporaryFolder();
        TinyModels.Save(folder, TinyModels.Second);
        SmallTokenizers.WriteSnapshot(folder.Path, ChatGLMGeneration.ChatGLM2);
        return new HubSetup(TestRepository.FromFolder(folder.Path));
    }
}
