using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool;

/// <summary>The help of a command of commands: what it can do on one screen. That of other commands is System.CommandLine's.</summary>
internal sealed class HelpText(ToolConsole console, HelpAction standard) : SynchronousCommandLineAction
{
    private const string Examples = """
        chatglm --version says which version this is.

        Try it:
          chatglm chat                                          a small model that is a part of this command
          chatglm chat --model THUDM/chatglm2-6b --quantize 4   downloads it first
          echo 你好 | chatglm chat --json                       for programs

        Results are on the output; progress, notes and errors are on the error output.
        Ctrl+C ends a run where nothing is lost, a second one at once.
        Exit codes: 0 done, 1 failed, 2 a wrong command line, 130 after Ctrl+C,
        141 when the reader of a pipe has gone, 143 after SIGTERM.
        """;

    public override bool ClearsParseErrors => true;

    /// <summary>Puts it in the place of the help that a command line begins with.</summary>
    public static void AddTo(RootCommand root, ToolConsole console)
    {
        var option = root.Options.OfType<HelpOption>().Single();
        option.Action = new HelpText(console, (HelpAction)option.Action!);
    }

    public override int Invoke(ParseResult parseResult)
    {
        var command = parseResult.CommandResult.Command;
        if (command.Action is not null || command.Subcommands.Count == 0)
            return standard.Invoke(parseResult);
        var output = console.Out;
        output.WriteLine(command.Description);
        output.WriteLine();
        output.WriteLine($"Usage: {UsageText.Path(command)} COMMAND [options]");
        output.WriteLine();
        var commands = command.Subcommands.Where(sub => !sub.Hidden).ToList();
        var width = commands.Max(sub => sub.Name.Length);
        foreach (var sub in commands)
            output.WriteLine($"  {sub.Name.PadRight(width)}  {UsageText.FirstSentence(sub.Description ?? "")}");
        output.WriteLine();
        output.WriteLine($"{UsageText.Path(command)} COMMAND --help lists a command's flags.");
        if (command is RootCommand)
            output.WriteLine(Examples);
        return ExitCode.Success;
    }
}
