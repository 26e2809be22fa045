using System.CommandLine;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary>The flags that say what is written for whom.</summary>
internal sealed class OutputFlags
{
    private readonly Option<bool> _json = new("--json") { Description = "For programs: JSON on the output, and progress and errors as JSON lines on the error output." };
    private readonly Option<bool> _quiet = new("--quiet") { Description = "Show no progress." };

    /// <summary>Adds them to a command.</summary>
    public OutputFlags AddTo(Command command)
    {
        command.Add(_json);
        command.Add(_quiet);
        return this;
    }

    /// <summary>Whether a program reads.</summary>
    public bool IsJson(ParseResult parsed) => parsed.GetValue(_json);

    /// <summary>Progress as it is wanted.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="console">Where it is shown.</param>
    /// <param name="isBrief">Whether the work is usually over at once, and not worth a line in a log.</param>
    public ToolProgress Progress(ParseResult parsed, ToolConsole console, bool isBrief = false) => new(
        console, parsed.GetValue(_quiet) || (isBrief && (console.IsErrorRedirected || IsJson(parsed))) ? ProgressStyle.None : IsJson(parsed) ? ProgressStyle.Json : ProgressStyle.Auto);
}
