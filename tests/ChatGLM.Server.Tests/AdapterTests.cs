using ChatGLM.Models;
using ChatGLM.Peft;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary>Adapters as models, from folders in peft's form.</summary>
public sealed class AdapterTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("chatglm-test-").FullName;
    private RunningServer _server = null!;

    public async Task InitializeAsync()
    {
        foreach (var (name, seed) in new[] { ("a", 1UL), ("b", 2UL) })
        {
            using var model = AutoModel.FromPretrained(Samples.DemoSnapshot.Folder, new ModelOptions { Seed = seed });
            var config = new LoraConfig { R = 4, LoraAlpha = 32, TargetModules = ["query_key_value", "dense_h_to_4h"], InitLoraWeights = InitLoraWeights.Random };
            model.GetPeftModel(config).SavePretrained(Path.Combine(_folder, name));
        }

        _server = await StartAsync(s =>
        {
            s["Model:ModelId"] = "team/base";
            s["Server:Adapters:poet v1.5"] = Path.Combine(_folder, "a");
            s["Server:Adapters:team/lawyer"] = Path.Combine(_folder, "b");
        });
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task They_are_listed_with_what_they_stand_on()
    {
        var list = Parse(await _server.Http.GetStringAsync(new Uri("/v1/models", UriKind.Relative)));
        list.GetProperty("object").GetString().Should().Be("list");
        list.GetProperty("data").EnumerateArray().Select(m => (m.GetProperty("id").GetString(), m.GetProperty("parent").GetString()))
            .Should().Equal(("team/base", null), ("poet v1.5", "team/base"), ("team/lawyer", "team/base"));
        foreach (var path in new[] { "team/lawyer", "team%2Flawyer", "poet%20v1.5" })
        {
            var model = Parse(await _server.Http.GetStringAsync(new Uri("/v1/models/" + path, UriKind.Relative)));
            model.GetProperty("object").GetString().Should().Be("model");
            model.GetProperty("id").GetString().Should().Be(Uri.UnescapeDataString(path));
        }

        using var unknown = await _server.Http.GetAsync(new Uri("/v1/models/team%2Fnobody", UriKind.Relative));
        (await ErrorAsync(unknown, 404)).GetProperty("code").GetString().Should().Be("model_not_found");
    }

    [Fact]
    public async Task Each_request_gets_its_own_however_many_ask_at_once()
    {
        string[] models = ["team/base", "poet v1.5", "team/lawyer"];
        async Task<string> Ask(int i)
        {
            var response = await _server.AskAsync("/v1/chat/completions", Question("What is the capital of France?", $"\"seed\": {i / 3}, \"max_tokens\": 12", models[i % 3]));
            response.GetProperty("model").GetString().Should().Be(models[i % 3]);
            return TextOf(response);
        }

        var alone = new List<string>();
        for (var i = 0; i < 12; i++)
            alone.Add(await Ask(i));
        alone.Take(3).Should().OnlyHaveUniqueItems("the adapters change the model");
        (await Task.WhenAll(Enumerable.Range(0, 12).Select(Ask))).Should().Equal(alone);
    }

    [Fact]
    public async Task Texts_and_embeddings_go_through_them_too()
    {
        foreach (var (path, body) in new[] { ("/v1/completions", "\"prompt\": \"The capital\", \"temperature\": 0"), ("/v1/embeddings", "\"input\": \"The capital\"") })
        {
            var answers = new List<string>();
            foreach (var model in new[] { "team/base", "team/lawyer" })
            {
                var response = await _server.AskAsync(path, $$"""{"model": "{{model}}", {{body}}}""");
                response.GetProperty("model").GetString().Should().Be(model);
                answers.Add(path.EndsWith("embeddings", StringComparison.Ordinal) ? response.GetProperty("data").GetRawText() : response.GetProperty("choices")[0].GetProperty("text").GetString()!);
            }

            answers.Should().OnlyHaveUniqueItems();
        }
    }

    [Fact]
    public async Task One_that_is_not_there_is_found_when_the_server_starts() =>
        await FluentActions.Awaiting(() => StartAsync(s => s["Server:Adapters:x"] = Path.Combine(_folder, "nowhere"))).Should().ThrowAsync<ChatGLMException>().WithMessage("*nowhere*");
}
