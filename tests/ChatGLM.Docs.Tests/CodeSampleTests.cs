using System.Text;
using System.Text.RegularExpressions;

namespace ChatGLM.Docs.Tests;

/// <summary>Every C# block of the pages compiles against the packages, and those that say so run.</summary>
public sealed class CodeSampleTests
{
    private static readonly Dictionary<string, CodeSample> Samples = Repository.Pages.Where(Repository.IsForUsers).SelectMany(CodeSample.Of)
        .Where(sample => !NeedsTorchSharp(sample.Page) || HasTorchSharp)
        .ToDictionary(sample => sample.ToString());

    public static IEnumerable<object[]> All => Samples.Keys.Select(name => new object[] { name });

    public static IEnumerable<object[]> Running => Samples.Values.Where(sample => sample.Runs).Select(sample => new object[] { sample.ToString() });

    /// <summary>TorchSharp cannot be restored everywhere (eng/probe-torchsharp): the package, and the samples of it, are built where it can.</summary>
    private static bool HasTorchSharp => File.Exists(Path.Combine(AppContext.BaseDirectory, "ChatGLM.TorchSharp.dll"));

    private static bool NeedsTorchSharp(string page) => page is "docs/torchsharp.md" or "src/ChatGLM.TorchSharp/README.md";

    [Theory]
    [MemberData(nameof(All))]
    public void A_sample_compiles(string sample) =>
        SampleCompiler.Problems(SampleCompiler.Compile(Samples[sample])).Should().BeEmpty("a reader pastes it; what a page has to say to the compiler only, it says in a comment above the block (CodeSample)");

    [Theory]
    [MemberData(nameof(Running))]
    public void A_sample_that_is_said_to_run_runs(string sample)
    {
        var (code, output, errors) = SampleRunner.Run(Samples[sample]);
        code.Should().Be(0, "it printed\n{0}\n{1}", output, errors);
        foreach (var part in Samples[sample].Prints)
            output.Should().MatchRegex(Pattern(part), "the page shows it");
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/getting-started.md")]
    public void The_pages_of_the_first_steps_are_run(string page) => Samples.Values.Should().Contain(sample => sample.Page == page && sample.Runs);

    [Fact]
    public void Every_package_has_a_sample() => Directory.GetDirectories(Repository.PathOf("src")).Select(folder => $"src/{Path.GetFileName(folder)}/README.md")
        .Where(page => !NeedsTorchSharp(page) || HasTorchSharp).Where(page => page != "src/ChatGLM.Tool/README.md" /* a command: nobody compiles against it */).Should().OnlyContain(page => Samples.Values.Any(sample => sample.Page == page));

    [Fact]
    public void A_sample_that_is_wrong_is_found()
    {
        var page = MarkdownFile.Read("page.md", "# Page\n\n```csharp\nusing ChatGLM;\nvar model = AutoModel.FromPretrained(\"x\");\n```\n\nText.\n\n<!-- continues -->\n```csharp\n\nmodel.Dance();\n```\n");
        SampleCompiler.Problems(SampleCompiler.Compile(CodeSample.Of(page).Last())).Should().ContainSingle().Which.Should().StartWith("page.md:13: CS1061");
    }

    /// <summary>What a page shows, with <c>...</c> for what differs from run to run.</summary>
    private static string Pattern(string shown)
    {
        var pattern = new StringBuilder("(?s)");
        foreach (var part in shown.Split("..."))
            pattern.Append(pattern.Length == 4 ? "" : ".*?").Append(Regex.Escape(part));
        return pattern.ToString();
    }
}
