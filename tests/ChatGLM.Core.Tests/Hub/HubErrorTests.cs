using ChatGLM.Hub;

namespace ChatGLM.Core.Tests.Hub;

/// <summary>What the hub refuses, and what is refused of the hub.</summary>
public sealed class HubErrorTests
{
    [Theory]
    [InlineData("no-slash")]
    [InlineData("a/b/c")]
    [InlineData("../b")]
    [InlineData("a/b?c")]
    public async Task A_name_that_no_repo_has_is_refused(string name)
    {
        using var setup = new HubSetup();
        using var client = new HubClient(setup.Options);
        await client.Invoking(c => c.SnapshotDownloadAsync(name)).Should().ThrowAsync<RepositoryNotFoundException>().WithMessage("*ORG/NAME*");
        setup.Hub.Requests.Should().BeEmpty();
    }

    [Theory]
    [InlineData("")]
    [InlineData("hf_token")]
    public async Task A_repo_that_is_not_there_is_named(string token)
    {
        using var setup = new HubSetup();
        using var client = new HubClient(setup.Options with { Token = token });
        (await client.Invoking(c => c.SnapshotDownloadAsync("a/none")).Should().ThrowAsync<RepositoryNotFoundException>().WithMessage("*a/none*spelling*HF_TOKEN*"))
            .Which.RepoId.Should().Be("a/none");
    }

    [Theory]
    [InlineData("v9")]
    [InlineData("../../x")]
    public async Task A_revision_that_is_not_there_is_named(string revision)
    {
        using var setup = new HubSetup();
        await setup.Invoking(s => s.DownloadAsync(revision)).Should().ThrowAsync<RevisionNotFoundException>().WithMessage($"*{revision}*");
    }

    [Fact]
    public async Task A_gated_repo_says_where_to_accept_its_conditions()
    {
        using var setup = new HubSetup(new TestRepository { IsGated = true });
        (await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubAccessDeniedException>().WithMessage($"*{HubSetup.Repo}*conditions*"))
            .Which.IsGated.Should().BeTrue();
    }

    [Fact]
    public async Task A_token_that_is_refused_is_not_shown()
    {
        using var setup = new HubSetup(new TestRepository { Token = "right" });
        setup.Options = setup.Options with { Token = "hf_wrong" };
        (await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubAccessDeniedException>().WithMessage("*refuses the access token*"))
            .Which.ToString().Should().NotContain("hf_wrong");
        setup.Options.ToString().Should().NotContain("hf_wrong");
    }

    [Fact]
    public async Task The_token_opens_the_repo_and_reaches_no_other_host()
    {
        var repository = new TestRepository { Token = "hf_secret" };
        repository.Files["config.json"] = new byte[10];
        repository.Files["model.safetensors"] = new byte[5000];
        using var setup = new HubSetup(repository);
        setup.Variables["HF_TOKEN"] = " hf_secret\n";
        setup.ShouldHold(await setup.DownloadAsync(), "config.json", "model.safetensors");
        setup.Hub.Requests.Where(r => !r.IsStore).Should().OnlyContain(r => r.Token == "Bearer hf_secret");
        setup.Hub.Requests.Where(r => r.IsStore).Should().NotBeEmpty().And.OnlyContain(r => r.Token == null);
    }

    [Fact]
    public async Task A_renamed_repo_is_followed()
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = r => r.Target.Contains("/old/name") || r.Target.Contains("old/name/")
            ? new TestFault { Status = 307, Headers = { ["Location"] = r.Target.Replace("old/name", HubSetup.Repo) } } : null;
        using var client = new HubClient(setup.Options);
        var folder = await client.SnapshotDownloadAsync("old/name", parts: HubSetup.Parts);
        File.ReadAllBytes(Path.Combine(folder, "config.json")).Should().Equal(setup.Repository.Files["config.json"]);
        folder.Should().Contain("models--old--name");
    }

    [Fact]
    public async Task Small_files_behind_a_redirect_within_the_hub_are_found()
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = r => r.Target.EndsWith("/config.json") ? new TestFault { Status = 307, Headers = { ["Location"] = r.Target + "?cached=1" } } : null;
        setup.ShouldHold(await setup.DownloadAsync(), "config.json", "generation_config.json", "model.safetensors");
    }

    [Theory]
    [InlineData("/api/models/THUDM/chatglm-test/revision/main", "*more than 10 times*")]
    [InlineData("file:///etc/passwd", "*file*")]
    public async Task Redirects_that_lead_nowhere_are_not_followed(string location, string says)
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = _ => new TestFault { Status = 302, Headers = { ["Location"] = location } };
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubProtocolException>().WithMessage(says);
        setup.Hub.Requests.Count.Should().BeLessThan(20);
    }

    [Fact]
    public async Task A_repo_without_weights_is_told()
    {
        using var setup = new HubSetup(TestRepository.Random(1, ("config.json", 10), ("model.onnx", 10)));
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubFileNotFoundException>().WithMessage("*none of model.safetensors*");
        await setup.Invoking(s => s.DownloadAsync(parts: SnapshotParts.Tokenizer)).Should().ThrowAsync<HubFileNotFoundException>().WithMessage("*tokenizer_config.json*");
    }

    [Fact]
    public async Task A_shard_that_the_repo_lacks_is_named()
    {
        var repository = TestRepository.Random(1, ("config.json", 10));
        repository.Files["model.safetensors.index.json"] = """{"weight_map": {"x": "gone.safetensors"}}"""u8.ToArray();
        using var setup = new HubSetup(repository);
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubFileNotFoundException>().WithMessage("*gone.safetensors*index.json names*");
    }

    [Theory]
    [InlineData("../../../../evil")]
    [InlineData("/etc/evil")]
    [InlineData("a/../../evil")]
    [InlineData("..\\\\evil")]
    public async Task An_index_cannot_write_outside_the_snapshot(string shard)
    {
        var repository = TestRepository.Random(1, ("config.json", 10));
        repository.OtherNames.Add(shard.Replace("\\\\", "\\"));
        repository.Files["model.safetensors.index.json"] = System.Text.Encoding.UTF8.GetBytes($$$"""{"weight_map": {"x": "{{{shard}}}"}}""");
        using var setup = new HubSetup(repository);
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<ChatGLMException>().WithMessage("*evil*");
        Directory.EnumerateFileSystemEntries(setup.Cache.Path, "*evil*", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Theory]
    [InlineData("../../evil")]
    [InlineData("a/b")]
    [InlineData(".hidden")]
    [InlineData("x.incomplete")]
    [InlineData("")]
    public async Task An_etag_that_is_no_file_name_is_refused(string etag)
    {
        using var setup = new HubSetup();
        setup.Repository.EtagOf = etag;
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubProtocolException>().WithMessage("*ETag*");
    }

    [Theory]
    [InlineData("../../../../evil")]
    [InlineData("main")]
    [InlineData("")]
    public async Task A_commit_that_is_none_is_refused(string commit)
    {
        using var setup = new HubSetup();
        setup.Repository.Commit = commit;
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubProtocolException>().WithMessage($"*'{commit}'*");
        Directory.EnumerateFileSystemEntries(setup.Cache.Path).Should().BeEmpty();
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("{\"sha\": 5, \"siblings\": []}")]
    [InlineData("{\"sha\": \"0123456789abcdef0123456789abcdef01234567\"}")]
    [InlineData("<html>Sign in to the hotel's network</html>")]
    public async Task An_answer_that_makes_no_sense_is_told(string answer)
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = _ => new TestFault { Content = System.Text.Encoding.UTF8.GetBytes(answer) };
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubProtocolException>().WithMessage("*hub?*");
    }

    [Theory]
    [InlineData("X-Linked-Size", "-1")]
    [InlineData("X-Linked-Size", "a lot")]
    [InlineData("X-Linked-Size", "")]
    [InlineData("X-Repo-Commit", "ffffffffffffffffffffffffffffffffffffffff")]
    public async Task Headers_that_make_no_sense_are_told(string header, string value)
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = r => r.Method == "HEAD" && r.Target.EndsWith("model.safetensors") ? new TestFault { Headers = { [header] = value } } : null;
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubProtocolException>().WithMessage("*model.safetensors*");
    }

    [Fact]
    public async Task An_endless_listing_is_cut_off()
    {
        using var setup = new HubSetup();
        setup.Hub.Fault = _ => new TestFault { Content = new byte[40 << 20], HidesLength = true };
        await setup.Invoking(s => s.DownloadAsync()).Should().ThrowAsync<HubProtocolException>().WithMessage("*no listing needs so many*");
    }
}
