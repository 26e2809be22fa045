namespace ChatGLM.Docs.Tests;

/// <summary>A row of a table, the header left out.</summary>
/// <param name="Cells">Its cells, trimmed.</param>
/// <param name="Line">The number of its line.</param>
/// <param name="Comments">What the HTML comments right above its table say.</param>
internal sealed record TableRow(IReadOnlyList<string> Cells, int Line, IReadOnlyList<Comment> Comments);
