using ChatGLM.Core.Tests.Models;
using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Models;
using ChatGLM.Snapshots;
using ChatGLM.Tokenizers;
using TemporaryFolder = ChatGLM.Core.Tests.Models.TemporaryFolder;

namespace ChatGLM.Core.Tests.Snapshots;

public sealed class SnapshotLocatorTests
{
    [Fact]
    public void A_repo_is_found_in_the_cache_through_its_links()
    {
        using var cache = new TemporaryFolder();
        using var source = new TemporaryFolder();
        TinyModels.Save(source, TinyModels.Second);
        // Nothing but the repo's name tells the tokenizer's generation here.
        File.WriteAllText(source["tokenizer_config.json"], "{}");
        File.WriteAllBytes(source["tokenizer.model"], SmallTokenizers.ModelBytes("bpe"));
        var store = Path.Combine(cache.Path, "models--THUDM--chatglm2-6b");
        var snapshot = Path.Combine(store, "snapshots", "abc123");
        Directory.CreateDirectory(snapshot);
        Directory.CreateDirectory(Path.Combine(store, "refs"));
        Directory.CreateDirectory(Path.Combine(store, "blobs"));
        File.WriteAllText(Path.Combine(store, "refs", "main"), "abc123\n");
        foreach (var file in Directory.GetFiles(source.Path))
        {
            var blob = Path.Combine(store, "blobs", Guid.NewGuid().ToString("N"));
            File.Move(file, blob);
            File.CreateSymbolicLink(Path.Combine(snapshot, Path.GetFileName(file)), Path.Combine("..", "..", "blobs", Path.GetFileName(blob)));
        }

        using var model = AutoModel.FromPretrained("THUDM/chatglm2-6b", new ModelOptions { CacheDir = cache.Path });
        model.LoadReport!.Folder.Should().Be(snapshot);
        AutoTokenizer.FromPretrained("THUDM/chatglm2-6b", new TokenizerOptions { CacheDir = cache.Path }).Generation.Should().Be(ChatGLMGeneration.ChatGLM2);
        FluentActions.Invoking(() => AutoModel.FromPretrained("THUDM/chatglm2-6b", new ModelOptions { CacheDir = cache.Path, Revision = "v2", LocalFilesOnly = true }))
            .Should().Throw<SnapshotNotFoundException>().WithMessage("*v2*");
    }

    [Theory]
    [InlineData("THUDM/no-such-model")]
    [InlineData("../../no-such-folder")]
    [InlineData("/no/such/folder")]
    [InlineData("a/b/c/d")]
    public void What_is_not_there_is_a_clear_error(string name)
    {
        using var cache = new TemporaryFolder();
        FluentActions.Invoking(() => SnapshotLocator.Find(name, null, cache.Path))
            .Should().Throw<SnapshotNotFoundException>();
    }

    [Theory]
    [InlineData("../../../secret")]
    [InlineData("/etc")]
    [InlineData("")]
    public void A_revision_cannot_climb_out_of_the_cache(string revision)
    {
        using var cache = new TemporaryFolder();
        Directory.CreateDirectory(Path.Combine(cache.Path, "models--a--b", "snapshots"));
        FluentActions.Invoking(() => SnapshotLocator.Find("a/b", revision, cache.Path)).Should().Throw<SnapshotNotFoundException>();
    }

    [Fact]
    public void A_ref_cannot_climb_out_of_the_cache()
    {
        using var cache = new TemporaryFolder();
        var store = Path.Combine(cache.Path, "models--a--b");
        Directory.CreateDirectory(Path.Combine(store, "snapshots"));
        Directory.CreateDirectory(Path.Combine(store, "refs"));
        File.WriteAllText(Path.Combine(store, "refs", "main"), "../..");
        FluentActions.Invoking(() => SnapshotLocator.Find("a/b", null, cache.Path)).Should().Throw<SnapshotNotFoundException>();
    }

    [Fact]
    public void A_file_is_not_a_snapshot()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["model.safetensors"], "");
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder["model.safetensors"])).Should().Throw<SnapshotNotFoundException>().WithMessage("*folder*");
    }
}
