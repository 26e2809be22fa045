using System.Text.Json;
using ChatGLM.Chat;
using ChatGLM.Extensions.AI.Tests;
using ChatGLM.Tokenizers;
using ChatGLM.Tool.Chat;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Tests;

public sealed class ChatTests : IDisposable
{
    private const string Paris = "The capital of France is Paris.";
    private const string Tokyo = "The capital of Japan is Tokyo.";

    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [Fact]
    public async Task A_pipe_gets_the_answers_and_nothing_else()
    {
        _tool.Input = "What is the capital of France?\n\nAnd Japan?\n";
        (await _tool.RunAsync("chat", "--greedy")).Should().Be(0);
        _tool.Output.Should().Be($"{Paris}\n{Tokyo}\n");
        _tool.Error.Should().BeEmpty();
    }

    [Fact]
    public async Task A_program_gets_a_line_of_JSON_for_each_answer()
    {
        _tool.Input = "你好\nWhat is the capital of France?";
        (await _tool.RunAsync("chat", "--greedy", "--json")).Should().Be(0);
        _tool.Output.Should().Contain("你好！", "Chinese is not escaped");
        _tool.JsonLines.Should().HaveCount(2);
        var last = _tool.JsonLines[1];
        last["question"]!.GetValue<string>().Should().Be("What is the capital of France?");
        last["answer"]!.GetValue<string>().Should().Be(Paris);
        last["finish_reason"]!.GetValue<string>().Should().Be("stop");
        last["cached_tokens"]!.GetValue<int>().Should().BePositive("the second turn goes on from the first");
        last["tool_call"].Should().BeNull();
    }

    [Fact]
    public async Task One_question_comes_from_the_command_line_or_the_input()
    {
        (await _tool.RunAsync("chat", "-p", "What is the capital of France?", "--greedy")).Should().Be(0);
        _tool.Output.Should().Be(Paris + "\n");
        _tool.Input = "What is the capital\nof France?\n";
        (await _tool.RunAsync("chat", "-p", "-", "--greedy", "--json")).Should().Be(0);
        _tool.Json["question"]!.GetValue<string>().Should().Be("What is the capital\nof France?", "lines of one question stay together");
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_answer()
    {
        var answers = new List<string>();
        foreach (var (seed, threads) in new[] { ("7", "1"), ("7", "2"), ("8", "2") })
        {
            (await _tool.RunAsync("chat", "-p", "类型#裙*颜色#红色*风格#简约", "--temperature", "3", "--seed", seed, "--threads", threads)).Should().Be(0);
            answers.Add(_tool.Output);
        }

        answers[1].Should().Be(answers[0]);
        answers[2].Should().NotBe(answers[0]);
    }

    [Fact]
    public async Task Commands_change_the_conversation()
    {
        _tool.IsTyped = true;
        var file = _tool.PathOf("chat.json");
        _tool.Input = $"What is the capital of France?\n/history\n/undo\n/undo\n/history\nAnd \\\nJapan?\n/retry\n/save {file}\n/clear\n/load {file}\n/load /nowhere\n/save\n/nonsense\n/help\n/system x\n/exit\nnever read\n";
        (await _tool.RunAsync("chat", "--greedy")).Should().Be(0);
        _tool.Output.Split('\n')[0].Should().Be(Paris);
        _tool.Error.Should().Contain("small demonstration model").And.Contain("user: What is the capital of France?").And.Contain("assistant: " + Paris).And.Contain("Taken back: What is").And.Contain("There is nothing to take back.")
            .And.Contain("Nothing has been said yet.").And.Contain("Saved 2 messages").And.Contain("The conversation is forgotten.").And.Contain("Going on with 2 messages.").And.Contain("'/nowhere': there is no such file.")
            .And.Contain("/save needs a file").And.Contain("There is no command /nonsense").And.Contain("tokens/s").And.Contain("begins anew with these instructions");
        _tool.Error.Should().NotContain("\u001b").And.NotContain("never read");
        var saved = ConversationFile.Read(file);
        saved.Select(message => message.Role).Should().Equal(ChatRole.User, ChatRole.Assistant);
        saved[0].Content.Should().Be("And \nJapan?");

        _tool.IsTyped = false;
        var begun = _tool.PathOf("begun.json");
        ConversationFile.Write(begun, [new ChatMessage(ChatRole.User, "What is the capital of France?"), new ChatMessage(ChatRole.Assistant, Paris)]);
        _tool.Input = "And Japan?\n";
        (await _tool.RunAsync("chat", "--greedy", "--history", begun)).Should().Be(0);
        _tool.Output.Should().Be(Tokyo + "\n");
    }

    [Theory]
    [InlineData("{}", "expected an array of messages")]
    [InlineData("[1]", "message 0: expected an object")]
    [InlineData("[{\"role\": \"7\", \"content\": \"x\"}]", "message 0")]
    [InlineData("[{\"role\": \"user\"}]", "message 0")]
    [InlineData("[", "it is no JSON")]
    public async Task A_damaged_conversation_is_refused(string text, string message)
    {
        (await _tool.RunAsync("chat", "--history", _tool.Write("chat.json", text))).Should().Be(1);
        _tool.Error.Should().Contain("chat.json").And.Contain(message);
    }

    [Theory]
    [InlineData("{}", "expected a JSON array of tools")]
    [InlineData("[]", "expected a JSON array of tools")]
    [InlineData("[{\"description\": 1}]", "a \"name\"")]
    [InlineData("nonsense", "it is no JSON")]
    public async Task Damaged_tools_are_refused(string text, string message)
    {
        (await _tool.RunAsync("chat", "--tools", _tool.Write("tools.json", text))).Should().Be(1);
        _tool.Error.Should().Contain("tools.json").And.Contain(message);
    }

    [Fact]
    public async Task Ctrl_C_stops_an_answer_and_then_the_chat_goes_on()
    {
        _tool.IsTyped = true;
        _tool.Input = "What is the capital of France?\n/history\nWhat is the capital of Japan?\n";
        var isRefused = false;
        _tool.Watch = (console, inner) => new PressingWriter(inner, "capital", () =>
        {
            console.Interruption.Press().Should().BeTrue("the first press is for the answer");
            isRefused = !console.Interruption.Press(); // before the answer has ended
        });
        (await _tool.RunAsync("chat", "--greedy", "--max-new-tokens", "200")).Should().Be(0);
        isRefused.Should().BeTrue("a second press ends the program");
        _tool.Error.Should().Contain("Stopped.").And.Contain("Nothing has been said yet.");
        _tool.Output.Should().NotStartWith(Paris).And.Contain("Tokyo", "the chat goes on");
    }

    [Fact]
    public async Task Ctrl_C_at_the_prompt_ends_the_chat()
    {
        _tool.IsTyped = true;
        using var reader = new WaitingReader();
        var console = new ToolConsole(reader, new StringWriter(), new StringWriter()) { IsInputRedirected = false };
        var chat = ToolHost.RunAsync(["chat"], console);
        await reader.IsRead.Task.WaitAsync(TimeSpan.FromMinutes(1));
        console.Interruption.Press().Should().BeTrue();
        (await chat.WaitAsync(TimeSpan.FromMinutes(1))).Should().Be(130);
        console.Interruption.Press().Should().BeFalse("there is nothing left to stop");
    }

    [Fact]
    public async Task Ctrl_C_ends_a_run_that_nobody_types()
    {
        _tool.Input = "What is the capital of France?\nAnd Japan?\n";
        _tool.Watch = (console, inner) => new PressingWriter(inner, "capital", () => console.Interruption.Press());
        (await _tool.RunAsync("chat", "--greedy")).Should().Be(130);
        _tool.Output.Should().Contain("capital").And.EndWith("\n").And.NotContain("Tokyo");
        _tool.Error.Should().Be("Stopped.\n");
    }

    [Fact]
    public async Task SIGTERM_is_told_from_Ctrl_C()
    {
        _tool.Input = "What is the capital of France?\nAnd Japan?\n";
        _tool.Watch = (console, inner) => new PressingWriter(inner, "capital", () => console.Interruption.Terminate());
        (await _tool.RunAsync("chat", "--greedy")).Should().Be(143);
    }

    [Fact]
    public async Task Quantized_and_adapted_models_chat()
    {
        foreach (var flags in new string[][] { ["--quantize", "4"], ["--quantize", "8"], ["--quantization-bit", "8"], ["--dtype", "float32"] })
        {
            (await _tool.RunAsync(["chat", "-p", "What is the capital of France?", "--greedy", .. flags])).Should().Be(0);
            _tool.Output.Should().Be(Paris + "\n");
        }

        var (first, second) = (_tool.PathOf("first"), _tool.PathOf("second"));
        RandomAdapter.Save(first, 1);
        RandomAdapter.Save(second, 2);
        _tool.IsTyped = true;
        _tool.Input = "What is the capital of France?\n";
        (await _tool.RunAsync("chat", "--greedy", "-n", "8", "-a", first, "-a", second)).Should().Be(0, "{0}", _tool.Error);
        _tool.Output.Should().NotStartWith(Paris, "the adapters are random ones");
        _tool.Error.Should().Contain($"With the Lora adapter from {first}.").And.Contain(second).And.Contain("demonstration model", "the adapter names its base");
    }

    [Fact]
    public async Task Tools_are_called_and_their_results_asked_for()
    {
        using var snapshot = new TinySnapshot(ChatGLMGeneration.ChatGLM3);
        using var opened = await OpenedModel.OpenAsync(new ModelSettings { Model = snapshot.Path }, new ToolProgress(_tool.Console(), ProgressStyle.None), default);
        var tools = JsonDocument.Parse("""[{"name": "get_weather", "description": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]""").RootElement;
        _tool.IsTyped = true;
        _tool.Input = "Weather in 北京?\n3 天晴\n/history\n";
        var call = Script.Says(opened.Tokenizer, "get_weather\n ```python\ntool_call(city='北京', days=3)\n```", callsTool: true);
        var settings = new ChatSettings { Tools = tools, Configure = config => config with { DoSample = false, MaxNewTokens = 400 }, Processors = [new TwoScripts(call, Script.Says(opened.Tokenizer, "\n 北京: 3 天晴"))] };
        using (var chat = new ChatLoop(_tool.Console(), settings, opened))
            (await chat.RunAsync(default)).Should().Be(0);
        _tool.Error.Should().Contain("The model calls get_weather({\"city\":").And.Contain("get_weather >").And.Contain("observation: 3 天晴").And.Contain("system: " + ChatText.ToolInstructions);
        _tool.Output.Should().EndWith("北京: 3 天晴\n");
    }

    /// <summary>Says one thing, and another from the next prompt on.</summary>
    private sealed class TwoScripts(Script first, Script second) : ChatGLM.Generation.LogitsProcessor
    {
        private int _length;
        private bool _isSecond;

        public override void Process(ChatGLM.Generation.InputIds inputIds, ChatGLM.Generation.TokenScores scores)
        {
            _isSecond |= _length > 0 && inputIds.Length != _length + 1;
            _length = inputIds.Length;
            (_isSecond ? second : first).Process(inputIds, scores);
        }
    }

    /// <summary>A terminal at which nobody types.</summary>
    private sealed class WaitingReader : TextReader
    {
        private readonly ManualResetEventSlim _end = new();

        public TaskCompletionSource IsRead { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override string? ReadLine()
        {
            IsRead.TrySetResult();
            _end.Wait();
            return null;
        }

        protected override void Dispose(bool disposing)
        {
            _end.Set(); // the thread that waits goes with the test
            base.Dispose(disposing);
        }
    }
}
