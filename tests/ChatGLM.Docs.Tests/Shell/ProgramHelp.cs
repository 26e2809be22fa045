using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;

namespace ChatGLM.Docs.Tests;

/// <summary>What a program of the repository says about itself with <c>--help</c>.</summary>
internal static partial class ProgramHelp
{
    private static readonly ConcurrentDictionary<string, string> Texts = new();

    /// <summary>The help of a project's program, or of one of its subcommands.</summary>
    public static string Of(string project, params string[] subcommand) => Texts.GetOrAdd($"{project} {string.Join(' ', subcommand)}", _ => Ask(project, subcommand));

    /// <summary>Whether a help text lists a flag.</summary>
    public static bool Lists(string help, string flag) => Regex.IsMatch(help, $@"(?<![\w-]){Regex.Escape(flag)}(?![\w-])");

    /// <summary>Whether a help text says that a command has to follow.</summary>
    public static bool TakesCommand(string help) => help.Contains("Commands:", StringComparison.Ordinal) || help.Contains(" COMMAND ", StringComparison.Ordinal);

    /// <summary>Whether a help text lists a subcommand.</summary>
    public static bool ListsCommand(string help, string command) => Regex.IsMatch(help, $@"^  {Regex.Escape(command)}\b", RegexOptions.Multiline);

    private static string Ask(string project, string[] subcommand)
    {
        var file = Directory.GetFiles(Repository.PathOf(project), "*.csproj").Should().ContainSingle("{0} has to be a project", project).Subject;
        var name = AssemblyName().Match(File.ReadAllText(file)) is { Success: true } match ? match.Groups[1].Value : Path.GetFileNameWithoutExtension(file);
        var program = Path.Combine(Path.GetDirectoryName(file)!, "bin", Repository.Configuration, "net10.0", name + ".dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", ["exec", program, .. subcommand, "--help"])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = Encoding.UTF8, StandardErrorEncoding = Encoding.UTF8,
        })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output + errors.Result;
    }

    [GeneratedRegex("<AssemblyName>(.*)</AssemblyName>")]
    private static partial Regex AssemblyName();
}
