using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.CSharp;

namespace ChatGLM.Docs.Tests;

/// <summary>A table with a column of C#.</summary>
/// <param name="page">Where it stands.</param>
/// <param name="rows">Its rows.</param>
/// <param name="column">The number of the column, from 1.</param>
internal sealed partial class CompiledTable(MarkdownFile page, IReadOnlyList<TableRow> rows, int column)
{
    public IReadOnlyList<TableRow> Rows => rows;

    public CSharpCompilation Compile()
    {
        var code = rows.SelectMany(row => Span().Matches(row.Cells[column - 1]).Select(span => new SamplePiece(page.Name, span.Groups[1].Value, row.Line))).ToList();
        var above = CodeSample.Of(page).TakeWhile(sample => sample.Line < rows[0].Line).SelectMany(sample => sample.Pieces);
        return SampleCompiler.Compile($"table-{page.Name.Replace('/', '-')}-{rows[0].Line}", above, CodeSample.Setup(page, rows[0].Comments), code);
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Span();
}
