namespace ChatGLM.Docs.Tests;

/// <summary>What the pages tell a reader to type names projects, flags and files that there are.</summary>
public sealed class ShellTests
{
    /// <summary>The folders of the repository that commands name.</summary>
    private static readonly string[] Roots = ["src/", "samples/", "tests/", "tools/", "docs/", "benchmarks/", "eng/"];

    private static readonly Dictionary<string, List<ShellLine>> Commands = Repository.Pages.SelectMany(ShellLine.Of).GroupBy(line => line.ToString()).ToDictionary(lines => lines.Key, lines => lines.ToList());

    public static IEnumerable<object[]> All => Commands.Keys.Select(name => new object[] { name });

    [Theory]
    [MemberData(nameof(All))]
    public void A_command_names_what_there_is(string command) => Problems(Commands[command][0]).Should().BeEmpty("a reader types it");

    [Theory]
    [InlineData("dotnet run -c Release --project samples/Nowhere", "samples/Nowhere")]
    [InlineData("dotnet run -c Release --project samples/Chat -- --shout", "--shout")]
    [InlineData("dotnet run -c Release --project benchmarks/ChatGLM.Benchmarks -- walk --fast", "walk")]
    [InlineData("dotnet run -c Release --project tools/MakeSnapshot -- --family chatglm2 --out /tmp/x", "--out")]
    [InlineData("dotnet test tests/ChatGLM.Nothing.Tests", "tests/ChatGLM.Nothing.Tests")]
    [InlineData("eng/check-nothing", "eng/check-nothing")]
    public void A_command_that_is_wrong_is_found(string command, string what)
    {
        var page = MarkdownFile.Read("page.md", $"```sh\n{command}   # a comment\n```\n");
        Problems(ShellLine.Of(page).Single()).Should().ContainSingle().Which.Should().Contain(what);
    }

    private static List<string> Problems(ShellLine line)
    {
        var problems = new List<string>();
        var words = line.Words;
        // A command whose first words go into another folder is not relative to the root.
        foreach (var path in words.Select(word => word.TrimEnd('/')).Where(word => Roots.Any(root => word.StartsWith(root, StringComparison.Ordinal))))
        {
            if (!path.Contains('*') && !Path.Exists(Repository.PathOf(path)) && !IsBuilt(path))
                problems.Add($"There is no {path}.");
        }

        if (problems.Count > 0 || Program(words) is not var (project, arguments))
            return problems;
        var help = ProgramHelp.Of(project);
        for (var depth = 1; ProgramHelp.TakesCommand(help) && arguments.ElementAtOrDefault(depth - 1) is { } word && !word.StartsWith('-'); depth++)
        {
            if (!ProgramHelp.ListsCommand(help, word))
                return [$"{project} has no command {word}; its help says\n{help}"];
            help = ProgramHelp.Of(project, [.. arguments.Take(depth)]);
        }

        problems.AddRange(arguments.Where(word => word.StartsWith('-') && word.TrimStart('-').Length > 0 && !double.TryParse(word, out _))
            .Select(word => word.Split('=')[0]).Where(flag => !ProgramHelp.Lists(help, flag)).Select(flag => $"{project} has no flag {flag}; its help says\n{help}"));
        return problems;
    }

    /// <summary>The project of the repository whose program a command runs, and what it is told; null for other commands.</summary>
    private static (string Project, List<string> Arguments)? Program(IReadOnlyList<string> words)
    {
        if (words[0] == "chatglm" && words.ElementAtOrDefault(1) != "COMMAND")
            return ("src/ChatGLM.Tool", [.. words.Skip(1)]);
        if (words[0] != "dotnet" || words.ElementAtOrDefault(1) != "run" || words.ElementAtOrDefault(words.ToList().IndexOf("--project") + 1) is not { } project)
            return null;
        return Roots.Any(root => project.StartsWith(root, StringComparison.Ordinal)) ? (project, [.. words.SkipWhile(word => word != "--").Skip(1)]) : null;
    }

    /// <summary>What only a build or a run makes.</summary>
    private static bool IsBuilt(string path) => path.Contains("/bin/", StringComparison.Ordinal) || path.Contains("/e2e/screenshots", StringComparison.Ordinal);
}
