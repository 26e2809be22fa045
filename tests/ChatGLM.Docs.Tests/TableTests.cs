namespace ChatGLM.Docs.Tests;

/// <summary>
/// The rows of tables that translate Python into C# compile. A table takes part by a comment right above it: <c>&lt;!-- compiles: column 2 --&gt;</c>, beside a <c>setup:</c> that declares what the
/// rows use. Each piece of code in that column is compiled by itself.
/// </summary>
public sealed class TableTests
{
    private static readonly Dictionary<string, List<string>> Problems = [];
    private static readonly List<(string Name, string Page, int Line)> Rows = [];

    static TableTests()
    {
        foreach (var page in Repository.Pages.Where(Repository.IsForUsers))
        {
            foreach (var table in Tables(page))
            {
                var problems = SampleCompiler.Problems(table.Compile());
                foreach (var row in table.Rows)
                {
                    var name = $"{page.Name}:{row.Line}";
                    Rows.Add((name, page.Name, row.Line));
                    // What cannot be told from a row (a broken declaration above the table) is a problem of every row.
                    Problems[name] = [.. problems.Where(problem => problem.StartsWith(name + ":", StringComparison.Ordinal) || !table.Rows.Any(other => problem.StartsWith($"{page.Name}:{other.Line}:", StringComparison.Ordinal)))];
                }
            }
        }
    }

    public static IEnumerable<object[]> All => Rows.Select(row => row.Name).Distinct().Select(name => new object[] { name });

    [Theory]
    [MemberData(nameof(All))]
    public void A_row_compiles(string row) => Problems[row].Should().BeEmpty("a reader pastes it");

    [Fact]
    public void The_table_from_Python_is_compiled() => Rows.Count(row => row.Page == "docs/from-python.md").Should().BeGreaterThan(50);

    [Fact]
    public void A_row_that_is_wrong_is_found()
    {
        var page = MarkdownFile.Read("page.md", """
            <!-- compiles: column 2 -->
            <!-- setup: int number; -->

            | a | b |
            | --- | --- |
            | right | `number.ToString()`, then `var x = number` |
            | wrong | `number.Dance()` |
            """);
        SampleCompiler.Problems(Tables(page).Single().Compile()).Should().ContainSingle().Which.Should().StartWith("page.md:7: CS1061");
    }

    private static IEnumerable<CompiledTable> Tables(MarkdownFile page)
    {
        foreach (var rows in page.Rows.GroupBy(row => row.Comments))
        {
            if (rows.Key.Select(comment => comment.Behind("compiles: column ")).FirstOrDefault(column => column is not null) is { } column)
                yield return new CompiledTable(page, [.. rows], int.Parse(column.Text));
        }
    }
}
