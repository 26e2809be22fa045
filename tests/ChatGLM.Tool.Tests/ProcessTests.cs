namespace ChatGLM.Tool.Tests;

/// <summary>What only a process has: signals, pipes, a shell that completes. Needs bash.</summary>
public sealed class ProcessTests : IDisposable
{
    private readonly ToolRun _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_pipe_goes_through()
    {
        using var process = new ToolProcess("echo 'What is the capital of France?' | $chatglm chat --greedy", _folder.Folder);
        (await process.WaitAsync()).Should().Be(0);
        (await process.OutputText).Should().Be("The capital of France is Paris.\n");
        (await process.ErrorText).Should().BeEmpty();
    }

    [Fact]
    public async Task Exit_codes_reach_the_shell()
    {
        using var process = new ToolProcess("$chatglm > /dev/null 2>&1; echo $?; $chatglm info /nowhere 2> /dev/null; echo $?; $chatglm --version > /dev/null; echo $?", _folder.Folder);
        await process.WaitAsync();
        (await process.OutputText).Should().Be("2\n1\n0\n");
    }

    [Fact]
    public async Task A_reader_that_goes_ends_the_run()
    {
        File.WriteAllLines(_folder.PathOf("prompts.txt"), Enumerable.Range(0, 100_000).Select(i => $"Text {i}"));
        using var process = new ToolProcess("set -o pipefail; $chatglm generate -i prompts.txt --greedy -n 2 --json --quiet | head -n 1", _folder.Folder);
        (await process.WaitAsync()).Should().Be(141);
        (await process.OutputText).Should().StartWith("{\"index\":0,");
        (await process.ErrorText).Should().BeEmpty();
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public async Task Signals_end_a_run_where_nothing_is_lost(string signal, int code)
    {
        File.WriteAllLines(_folder.PathOf("prompts.txt"), Enumerable.Range(0, 100_000).Select(i => $"Text {i}"));
        using var process = new ToolProcess(
            $"$chatglm generate -i prompts.txt --greedy -n 2 --json --quiet > out.jsonl & p=$!; while ! [ -s out.jsonl ]; do sleep 0.05; done; kill -{signal} $p; wait $p", _folder.Folder);
        (await process.WaitAsync()).Should().Be(code);
        (await process.ErrorText).Should().Contain($"\"exit_code\":{code}");
        var lines = File.ReadAllText(_folder.PathOf("out.jsonl"));
        lines.Should().EndWith("\n", "no line is cut");
        lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().OnlyContain(line => line.StartsWith('{') && line.EndsWith('}'));
    }

    [Fact]
    public async Task Bash_completes_commands_flags_and_values()
    {
        using var process = new ToolProcess("""
            command_line="$chatglm"
            chatglm() { $command_line "$@"; }
            source <(chatglm completion bash)
            complete -p chatglm
            try() { COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; _chatglm; echo "${COMPREPLY[*]}"; }
            try chatglm do
            try chatglm train lo
            try chatglm chat --temp
            try chatglm chat --dtype bf
            try chatglm download x --source model
            try chatglm chat --model de
            try chatglm generate --input nothing-that-is-known
            """, _folder.Folder);
        (await process.WaitAsync()).Should().Be(0, "{0}", await process.ErrorText);
        (await process.OutputText).Split('\n').Should().Equal(
            "complete -o bashdefault -o default -F _chatglm chatglm", "download", "lora", "--temperature", "bfloat16", "modelscope", "demo", "", "");
    }

    [Fact]
    public async Task Other_shells_have_their_scripts()
    {
        foreach (var (shell, word) in new[] { ("zsh", "compdef"), ("fish", "complete -c chatglm"), ("pwsh", "Register-ArgumentCompleter") })
        {
            (await _folder.RunAsync("completion", shell)).Should().Be(0);
            _folder.Output.Should().Contain(word).And.Contain("[suggest:");
        }
    }

    [Fact]
    public async Task Nothing_is_coloured_where_nobody_sees_it()
    {
        using var process = new ToolProcess("export TERM=xterm-256color; $chatglm info demo; $chatglm; $chatglm --help; $chatglm convert demo -o new", _folder.Folder);
        await process.WaitAsync();
        (await process.OutputText + await process.ErrorText).Should().NotContain("\u001b").And.Contain("convert");
    }
}
