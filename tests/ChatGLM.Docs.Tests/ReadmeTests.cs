namespace ChatGLM.Docs.Tests;

/// <summary>The README in English and the one in Chinese say the same.</summary>
public sealed class ReadmeTests
{
    private const string Why = "README.zh-CN.md is README.md in Chinese: what changes in one changes in the other";

    private static MarkdownFile English { get; } = Repository.Pages.Single(page => page.Name == "README.md");

    private static MarkdownFile Chinese { get; } = Repository.Pages.Single(page => page.Name == "README.zh-CN.md");

    [Fact]
    public void They_have_the_same_sections() => Chinese.Headings.Select(heading => heading.Level).Should().Equal(English.Headings.Select(heading => heading.Level), Why);

    [Fact]
    public void They_show_the_same_code() => Chinese.Blocks.Select(block => block.Code).Should().Equal(English.Blocks.Select(block => block.Code), Why);

    [Fact]
    public void They_link_to_the_same_pages_and_pictures() => Targets(Chinese).Should().BeEquivalentTo(Targets(English), Why);

    [Fact]
    public void Their_tables_have_the_same_rows() => Chinese.Rows.Select(Code).Should().Equal(English.Rows.Select(Code), Why);

    [Fact]
    public void They_name_the_same_commands_and_types() => Chinese.Spans.Select(span => span.Code).Should().BeEquivalentTo(English.Spans.Select(span => span.Code), Why);

    private static IEnumerable<string> Targets(MarkdownFile page) => page.Links.Select(link => link.Target.Replace("README.zh-CN.md", "README.md", StringComparison.Ordinal));

    /// <summary>What of a row is no text: the code in it, and cells that are numbers.</summary>
    private static string Code(TableRow row) => string.Join(" | ", row.Cells.Select(cell => cell.Contains('`') ? string.Concat(cell.Split('`').Where((_, i) => i % 2 == 1)) : cell.Any(char.IsLetter) ? "" : cell));
}
