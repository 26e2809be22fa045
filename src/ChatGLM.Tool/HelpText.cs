using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool;

/// <summary>The help of the command as a whole: what it can do on one screen. The commands' own help is System.CommandLine's.</summary>
internal sealed class HelpText(ToolConsole console, HelpAction standard) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    /// <summary>Puts it in the place of the help that a command line begins with.</summary>
    public static void AddTo(RootCommand root, ToolConsole console)
    {
        var option = root.Options.OfType<HelpOption>().Single();
        option.Action = new HelpText(console, (HelpAction)option.Action!);
    }

    public override int Invoke(ParseResult parseResult)
    {
        if (parseResult.CommandResult.Command is not RootCommand root)
            return standard.Invoke(parseResult);
        var commands = root.Subcommands.Where(command => !command.Hidden).ToList();
        var width = commands.Max(command => command.Name.Length);
        var output = console.Out;
        output.WriteLine(root.Description);
        output.WriteLine();
        output.WriteLine("Usage: chatglm COMMAND [options]");
        output.WriteLine();
        foreach (var command in commands)
            output.WriteLine($"  {command.Name.PadRight(width)}  {UsageText.FirstSentence(command.Description ?? "")}");
        output.WriteLine();
        output.WriteLine("""
            chatglm COMMAND --help lists a command's flags, chatglm --version says which version this is.

            Try it:
              chatglm chat                                        a small model that is a part of this command
              chatglm chat --model THUDM/chatglm2-6b --quantize 4   downloads it first
              echo 你好 | chatglm chat --json                     for programs

            Results are on the output; progress, notes and errors are on the error output. Ctrl+C ends a run where nothing is lost, a second one at once.
            Exit codes: 0 done, 1 failed, 2 a wrong command line, 130 after Ctrl+C, 141 when the reader of a pipe has gone, 143 after SIGTERM.
            """);
        return ExitCode.Success;
    }
}
