using System.CommandLine;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool;

/// <summary>What is said to a command line that cannot be understood.</summary>
internal static partial class UsageText
{
    /// <summary>Says what is wrong and where to look; without a command, what commands there are.</summary>
    /// <returns>The exit code.</returns>
    public static int Write(ParseResult parsed, ToolConsole console, bool isJson)
    {
        var command = parsed.CommandResult.Command;
        var problems = parsed.Errors.Select(error => Plain(error.Message)).Distinct().ToList();
        var isBare = parsed.UnmatchedTokens.Count == 0 && command.Subcommands.Count > 0 && command.Action is null;
        if (isBare)
            problems = [$"'{Path(command)}' needs a command."];
        else if (parsed.UnmatchedTokens is [var word, ..] && command.Subcommands.Count > 0 && command.Action is null)
            problems = [Unknown(command, word)];
        if (isJson)
        {
            JsonLine.Write(console.Error, new JsonObject { ["event"] = "error", ["error"] = "usage", ["message"] = string.Join(' ', problems), ["exit_code"] = ExitCode.Usage });
            return ExitCode.Usage;
        }

        problems.ForEach(console.Error.WriteLine);
        if (isBare)
        {
            var width = command.Subcommands.Where(sub => !sub.Hidden).Max(sub => sub.Name.Length);
            console.Error.WriteLine();
            foreach (var sub in command.Subcommands.Where(sub => !sub.Hidden))
                console.Error.WriteLine($"  {sub.Name.PadRight(width)}  {FirstSentence(sub.Description ?? "")}");
            console.Error.WriteLine();
        }

        console.Error.WriteLine($"{Path(command)} --help says more.");
        return ExitCode.Usage;
    }

    /// <summary>Where to read about the flags of a command line.</summary>
    public static string Hint(IReadOnlyList<string> args) => $"chatglm {string.Join("", args.TakeWhile(word => word.Length > 0 && word.All(char.IsAsciiLetterLower)).Take(2).Select(word => word + " "))}--help lists the flags.";

    /// <summary>System.CommandLine names the type that a value should have as the runtime does.</summary>
    private static string Plain(string message) => UnparsedValue().Match(message) is { Success: true } match
        ? $"{match.Groups[2].Value}: expected {(match.Groups[3].Value switch
        {
            var type when type.Contains("Int", StringComparison.Ordinal) => "a whole number",
            var type when type.Contains("Double", StringComparison.Ordinal) || type.Contains("Single", StringComparison.Ordinal) => "a number",
            var type when type.Contains("Boolean", StringComparison.Ordinal) => "true or false",
            _ => "another value",
        })}, found '{match.Groups[1].Value}'."
        : message;

    [GeneratedRegex("^Cannot parse argument '(.*)' for (?:option|command) '(.*)' as expected type '(.*)'")]
    private static partial Regex UnparsedValue();

    private static string Unknown(Command command, string word)
    {
        var nearest = command.Subcommands.Where(sub => !sub.Hidden).Select(sub => (sub.Name, Distance: Distance(sub.Name, word))).MinBy(sub => sub.Distance);
        return $"There is no command '{word}'{(nearest.Distance <= 2 ? $". Is '{nearest.Name}' meant?" : $": expected one of {string.Join(", ", command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name))}.")}";
    }

    /// <summary>The words that call a command.</summary>
    public static string Path(Command command)
    {
        var names = new List<string>();
        for (Symbol? at = command; at is Command and not RootCommand; at = at.Parents.FirstOrDefault())
            names.Insert(0, at.Name);
        return string.Join(' ', names.Prepend("chatglm"));
    }

    /// <summary>What stands in a list of commands.</summary>
    public static string FirstSentence(string text)
    {
        var end = text.IndexOfAny(['\n']);
        text = end < 0 ? text : text[..end];
        end = text.IndexOf(". ", StringComparison.Ordinal);
        return end < 0 ? text : text[..(end + 1)];
    }

    /// <summary>How many letters must be added, left out, changed or swapped (optimal string alignment).</summary>
    private static int Distance(string a, string b)
    {
        var rows = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                rows[i, j] = i == 0 || j == 0
                    ? i + j
                    : Math.Min(Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1, rows[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
            }
        }

        return rows[a.Length, b.Length];
    }
}
