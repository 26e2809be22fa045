using System.Net.Http.Json;
using System.Text.Json.Nodes;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Tests;

public sealed class ServeTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [Fact]
    public async Task The_server_answers_shows_its_page_and_stops_at_Ctrl_C()
    {
        RandomAdapter.Save(_tool.PathOf("adapter"), 1);
        var listening = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ToolConsole? console = null;
        _tool.Watch = (it, inner) =>
        {
            console = it;
            return new PressingWriter(inner, "\"listening\"", () => listening.SetResult());
        };
        var serving = _tool.RunAsync("serve", "--port", "0", "--json", "--quantize", "8", "-m", "demo", "--adapter", $"poet={_tool.PathOf("adapter")}");
        await Task.WhenAny(listening.Task, serving).WaitAsync(TimeSpan.FromMinutes(1));
        serving.IsCompleted.Should().BeFalse("{0}", _tool.Error);
        var told = JsonNode.Parse(_tool.Output)!;
        told["models"]!.AsArray().Select(name => name!.GetValue<string>()).Should().BeEquivalentTo("chatglm-demo", "poet");
        using (var client = new HttpClient { BaseAddress = new Uri(told["urls"]![0]!.GetValue<string>()) })
        {
            (await client.GetStringAsync("/")).Should().Contain("<html").And.Contain("app.js");
            (await client.GetStringAsync("/app.js")).Should().NotBeEmpty();
            var answer = await client.PostAsync("/v1/chat/completions", JsonContent.Create(new { model = "chatglm-demo", temperature = 0, messages = new[] { new { role = "user", content = "What is the capital of France?" } } }));
            JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["choices"]![0]!["message"]!["content"]!.GetValue<string>().Should().Be("The capital of France is Paris.");
        }

        console!.Interruption.Press().Should().BeTrue();
        (await serving.WaitAsync(TimeSpan.FromMinutes(1))).Should().Be(0);
        _tool.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().ContainSingle("the log is not on the output");
    }

    [Fact]
    public async Task A_server_for_others_wants_a_key()
    {
        (await _tool.RunAsync("serve", "--host", "0.0.0.0", "--port", "0")).Should().Be(1);
        _tool.Error.Should().Contain("can be reached from other machines");
    }
}
