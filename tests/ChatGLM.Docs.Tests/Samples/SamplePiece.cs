namespace ChatGLM.Docs.Tests;

/// <summary>A run of C# of a page: a block, the hidden lines above it, or a cell of a table.</summary>
/// <param name="Page">The page's name.</param>
/// <param name="Code">The C#.</param>
/// <param name="Line">The number of its first line in the page.</param>
internal sealed record SamplePiece(string Page, string Code, int Line);
