using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Tests;

public sealed class UsageTests : IDisposable
{
    private static readonly string[] Commands = ["chat", "generate", "serve", "info", "download", "quantize", "convert", "merge", "train", "evaluate", "bench", "completion"];

    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [Fact]
    public async Task A_bare_command_says_what_there_is()
    {
        (await _tool.RunAsync()).Should().Be(2);
        _tool.Output.Should().BeEmpty();
        _tool.Error.Should().StartWith("'chatglm' needs a command.").And.ContainAll(Commands).And.NotContain("\u001b").And.Contain("chatglm --help");
        _tool.Error.Split('\n').Length.Should().BeLessThan(20, "it is a hint, not a manual");
    }

    [Fact]
    public async Task A_command_of_commands_says_what_it_has()
    {
        (await _tool.RunAsync("train")).Should().Be(2);
        _tool.Error.Should().StartWith("'chatglm train' needs a command.").And.ContainAll("ptuning", "lora", "alpaca");
        (await _tool.RunAsync("train", "--help")).Should().Be(0);
        _tool.Output.Split('\n').Should().OnlyContain(line => line.Length < 200).And.HaveCountLessThan(15);
    }

    [Theory]
    [InlineData("caht", "There is no command 'caht'. Is 'chat' meant?")]
    [InlineData("bnech", "Is 'bench' meant?")]
    [InlineData("transmogrify", "expected one of chat, generate")]
    public async Task A_wrong_command_is_corrected(string word, string message)
    {
        (await _tool.RunAsync(word)).Should().Be(2);
        _tool.Error.Should().Contain(message);
    }

    [Fact]
    public async Task Help_is_help()
    {
        (await _tool.RunAsync("--help")).Should().Be(0);
        _tool.Error.Should().BeEmpty();
        _tool.Output.Should().ContainAll(Commands).And.Contain("Exit codes: 0").And.NotContain("\u001b");
        foreach (var command in Commands.Where(command => command != "train").Concat(["train ptuning", "train lora", "train alpaca"]))
        {
            (await _tool.RunAsync([.. command.Split(' '), "--help"])).Should().Be(0);
            _tool.Output.Should().Contain($"{command} ").And.Contain("--help").And.NotContain("\u001b");
            _tool.Error.Should().BeEmpty();
        }

        (await _tool.RunAsync("--version")).Should().Be(0);
        _tool.Output.Should().MatchRegex(@"^\d+\.\d+\.\d+");
    }

    [Theory]
    [InlineData("chat --temperature -1", "temperature")]
    [InlineData("chat --temperature warm", "--temperature: expected a number, found 'warm'.")]
    [InlineData("chat --max-new-tokens 1.5", "--max-new-tokens: expected a whole number, found '1.5'.")]
    [InlineData("chat --greedy --top-p 0.5", "--greedy takes the likeliest token")]
    [InlineData("chat --quantize 5", "'5'")]
    [InlineData("chat --quantize 4 --quantization-bit 4", "two ways to do the same")]
    [InlineData("chat --dtype int8", "int8")]
    [InlineData("chat --threads 0", "--threads: expected 1 to 1024")]
    [InlineData("chat --nonsense", "--nonsense")]
    [InlineData("chat --tools /nowhere.json", "/nowhere.json")]
    [InlineData("generate", "The input is empty")]
    [InlineData("generate text --input /dev/null", "exclude each other")]
    [InlineData("generate a b", "'b'")]
    [InlineData("generate a --batch-size 0", "--batch-size: expected 1 to 1024")]
    [InlineData("generate a --batch-size 2 --stop x", "--stop is looked for in one text at a time")]
    [InlineData("info", "'model'")]
    [InlineData("download", "'repo'")]
    [InlineData("download a/b --source elsewhere", "elsewhere")]
    [InlineData("quantize demo", "--output")]
    [InlineData("quantize demo -o x --bits 8 --minimum", "--minimum is for 4 bits")]
    [InlineData("quantize demo -o x --published --group-size 64", "--published has one scale per row")]
    [InlineData("quantize demo -o x --memory 1MB", "--memory: expected at least 64MiB")]
    [InlineData("convert demo -o x --max-shard-size large", "--max-shard-size: expected a number of bytes such as 2GB")]
    [InlineData("merge -o x", "There is nothing to merge")]
    [InlineData("merge -o x -a y --quantize 4", "Merge first, then quantize")]
    [InlineData("evaluate", "There is nothing to evaluate on")]
    [InlineData("evaluate --text /dev/null --window 0", "--window: expected 1 or more")]
    [InlineData("bench --repetitions 0", "--repetitions: expected a number of at least 1")]
    [InlineData("bench -p 2000", "takes 1024 tokens, and 2000 are to be measured")]
    [InlineData("serve --adapter x", "expected NAME=FOLDER")]
    [InlineData("train alpaca --lora_r many", "expected a whole number, found 'many'")]
    [InlineData("train alpaca --no_such_flag 1", "there is no such flag")]
    [InlineData("train lora --EPOCHS many", "EPOCHS")]
    [InlineData("completion tcsh", "tcsh")]
    public async Task Wrong_words_are_named(string line, string message)
    {
        (await _tool.RunAsync(line.Split(' '))).Should().Be(2, "{0}", _tool.Error);
        _tool.Error.Should().Contain(message).And.Contain("--help").And.NotContain("   at ").And.NotContain("System.");
        _tool.Output.Should().BeEmpty();
    }

    [Theory]
    [InlineData("chat -m /nowhere", "'/nowhere': there is no such folder")]
    [InlineData("info /nowhere", "'/nowhere': there is no such folder")]
    [InlineData("bench -m /nowhere", "'/nowhere': there is no such folder")]
    [InlineData("chat -a /nowhere", "/nowhere")]
    [InlineData("convert /nowhere -o x", "'/nowhere': there is no such folder")]
    [InlineData("serve -m /nowhere --port 0", "'/nowhere': there is no such folder")]
    [InlineData("train alpaca --model_name_or_path /nowhere", "'/nowhere': there is no such folder")]
    [InlineData("download not-a-repo! --offline", "not-a-repo!")]
    public async Task What_is_not_there_is_named(string line, string message)
    {
        (await _tool.RunAsync(line.Split(' '))).Should().Be(1, "{0}", _tool.Error);
        _tool.Error.Should().Contain(message).And.NotContain("   at ");
        _tool.Output.Should().BeEmpty();
    }

    [Fact]
    public async Task Errors_are_JSON_for_programs()
    {
        (await _tool.RunAsync("info", "/nowhere", "--json")).Should().Be(1);
        var error = System.Text.Json.Nodes.JsonNode.Parse(_tool.Error)!;
        error["error"]!.GetValue<string>().Should().Be("SnapshotNotFoundException");
        error["exit_code"]!.GetValue<int>().Should().Be(1);
        (await _tool.RunAsync("chat", "--json", "--nonsense")).Should().Be(2);
        System.Text.Json.Nodes.JsonNode.Parse(_tool.Error)!["exit_code"]!.GetValue<int>().Should().Be(2);
    }

    [Fact]
    public void Widths_and_numbers_are_those_of_a_terminal()
    {
        DisplayWidth.Of("abc").Should().Be(3);
        DisplayWidth.Of("你好，world").Should().Be(11);
        DisplayWidth.Of("e\u0301").Should().Be(1);
        DisplayWidth.PadRight("你好", 6).Should().Be("你好  ");
        DisplayWidth.PadLeft("你好", 5).Should().Be(" 你好");
        Quantity.Bytes(0).Should().Be("0 B");
        Quantity.Bytes(999).Should().Be("999 B");
        Quantity.Bytes(999_960).Should().Be("1.0 MB");
        Quantity.Bytes(12_487_168_064).Should().Be("12.5 GB");
        Quantity.Count(6_243_584_000).Should().Be("6.24 B");
        Quantity.Count(3_469_632).Should().Be("3.47 M");
        Quantity.Count(12).Should().Be("12");
        Quantity.Time(TimeSpan.FromSeconds(3725)).Should().Be("1:02:05");
        Quantity.Time(TimeSpan.FromSeconds(65)).Should().Be("1:05");
    }
}
