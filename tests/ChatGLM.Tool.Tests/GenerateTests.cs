using ChatGLM.Tokenizers;
using System.Text.Json.Nodes;

namespace ChatGLM.Tool.Tests;

public sealed class GenerateTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [Fact]
    public async Task The_text_is_what_the_library_generates()
    {
        using var model = AutoModel.FromPretrained(ToolRun.Demo);
        var expected = model.Generate(AutoTokenizer.FromPretrained(ToolRun.Demo), "The capital of", model.GenerationConfig with { MaxNewTokens = 8, DoSample = false }).Text;
        (await _tool.RunAsync("generate", "The capital of", "--greedy", "-n", "8")).Should().Be(0);
        _tool.Output.Should().Be(expected + "\n");
        _tool.Input = "The capital of\n";
        (await _tool.RunAsync("generate", "--greedy", "-n", "8", "--json")).Should().Be(0);
        _tool.Json["text"]!.GetValue<string>().Should().Be(expected);
        _tool.Json["prompt"]!.GetValue<string>().Should().Be("The capital of");
        (await _tool.RunAsync("generate", "-", "--greedy", "-n", "8")).Should().Be(0);
        _tool.Output.Should().Be(expected + "\n");
    }

    [Fact]
    public async Task Questions_are_answered()
    {
        (await _tool.RunAsync("generate", "What is the capital of France?", "--chat", "--greedy")).Should().Be(0);
        _tool.Output.Should().Be("The capital of France is Paris.\n");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_batch_gives_what_its_texts_give_alone(bool asChat)
    {
        string[] prompts = ["你好", "What is the capital of France?", "And now for something that is longer than the others: what is the capital of Japan?", "早"];
        var file = _tool.Write("prompts.txt", string.Join("\n", prompts) + "\n\n");
        string[] flags = ["generate", "--input", file, "--greedy", "-n", "24", "--json", .. asChat ? ["--chat"] : Array.Empty<string>()];
        (await _tool.RunAsync(flags)).Should().Be(0);
        var alone = _tool.JsonLines.ToList();
        alone.Select(line => line["prompt"]!.GetValue<string>()).Should().Equal(prompts);
        alone.Select(line => line["index"]!.GetValue<int>()).Should().Equal(0, 1, 2, 3);
        (await _tool.RunAsync([.. flags, "-b", "3"])).Should().Be(0);
        _tool.JsonLines.Select(line => line["text"]!.GetValue<string>()).Should().Equal(alone.Select(line => line["text"]!.GetValue<string>()));
        _tool.JsonLines.Select(line => line["completion_tokens"]!.GetValue<int>()).Should().Equal(alone.Select(line => line["completion_tokens"]!.GetValue<int>()));
        _tool.JsonLines.Select(line => line["prompt_tokens"]!.GetValue<int>()).Should().Equal(alone.Select(line => line["prompt_tokens"]!.GetValue<int>()));
        _tool.JsonLines.Select(line => line["finish_reason"]!.GetValue<string>()).Should().Equal(alone.Select(line => line["finish_reason"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Lines_come_from_the_input_and_from_JSON_lines()
    {
        _tool.Input = "你好\r\n早\r\n";
        (await _tool.RunAsync("generate", "--lines", "--greedy", "-n", "2", "--json")).Should().Be(0);
        _tool.JsonLines.Select(line => line["prompt"]!.GetValue<string>()).Should().Equal("你好", "早");
        var file = _tool.Write("prompts.jsonl", "{\"prompt\": \"a\\nb\", \"more\": 1}\n{\"prompt\": \"c\"}\n");
        (await _tool.RunAsync("generate", "-i", file, "--greedy", "-n", "2", "--json")).Should().Be(0);
        _tool.JsonLines.Select(line => line["prompt"]!.GetValue<string>()).Should().Equal("a\nb", "c");
        (await _tool.RunAsync("generate", "-i", _tool.Write("bad.jsonl", "{\"prompt\": \"c\"}\n{\"text\": 1}\n"))).Should().Be(1);
        _tool.Error.Should().Contain("line 2: expected an object with a text \"prompt\"");
        (await _tool.RunAsync("generate", "-i", _tool.Write("worse.jsonl", "nonsense\n"))).Should().Be(1);
        _tool.Error.Should().Contain("line 1 is no JSON");
        (await _tool.RunAsync("generate", "-i", _tool.Write("empty.txt", "\n"))).Should().Be(2);
    }

    [Fact]
    public async Task A_text_that_does_not_fit_does_not_stop_the_others()
    {
        var file = _tool.Write("prompts.txt", $"早\n{string.Concat(Enumerable.Repeat("你好", 2000))}\n你好\n");
        (await _tool.RunAsync("generate", "-i", file, "--greedy", "-n", "2", "--json", "-b", "3")).Should().Be(1);
        _tool.JsonLines.Should().HaveCount(3);
        _tool.JsonLines[1]["error"]!.GetValue<string>().Should().Contain("the model takes at most 1024");
        _tool.JsonLines[2]["text"].Should().NotBeNull();
        (await _tool.RunAsync("generate", "-i", file, "--greedy", "-n", "2")).Should().Be(1);
        _tool.Output.Split('\n').Should().HaveCount(4, "lines of output go with lines of input").And.Subject.ElementAt(1).Should().BeEmpty();
        _tool.Error.Should().Contain("Text 2: The prompt has");
    }

    [Fact]
    public async Task A_text_ends_where_it_is_told()
    {
        (await _tool.RunAsync("generate", "What is the capital of France?", "--chat", "--greedy", "--stop", "France", "--json")).Should().Be(0);
        _tool.Json["finish_reason"]!.GetValue<string>().Should().Be("stop_string");
        _tool.Json["text"]!.GetValue<string>().Should().EndWith("France");
        (await _tool.RunAsync("generate", "What is the capital of France?", "--chat", "--greedy", "-n", "2", "--json")).Should().Be(0);
        _tool.Json["finish_reason"]!.GetValue<string>().Should().Be("length");
    }

    [Fact]
    public async Task Beams_are_searched()
    {
        string[] beams = ["--num-beams", "3", "--greedy"];
        (await _tool.RunAsync(["generate", "What is the capital of France?", "--chat", "--json", .. beams])).Should().Be(0);
        var text = _tool.Json["text"]!.GetValue<string>();
        text.Should().Be("The capital of France is Paris.");
        (await _tool.RunAsync(["generate", "What is the capital of France?", "--chat", .. beams])).Should().Be(0);
        _tool.Output.Should().Be(text + "\n");
        (await _tool.RunAsync(["chat", "-p", "What is the capital of France?", .. beams])).Should().Be(0);
        _tool.Output.Should().Be(text + "\n");
    }

    [Fact]
    public async Task Ctrl_C_keeps_what_is_written()
    {
        var file = _tool.Write("prompts.txt", string.Join('\n', Enumerable.Range(0, 50).Select(i => $"Text {i}")));
        _tool.Watch = (console, inner) => new PressingWriter(inner, "\"index\":1", () => console.Interruption.Press());
        (await _tool.RunAsync("generate", "-i", file, "--greedy", "-n", "4", "--json")).Should().Be(130);
        _tool.JsonLines.Should().HaveCountGreaterThanOrEqualTo(2).And.HaveCountLessThan(50);
        JsonNode.Parse(_tool.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1])!["exit_code"]!.GetValue<int>().Should().Be(130);
    }
}
