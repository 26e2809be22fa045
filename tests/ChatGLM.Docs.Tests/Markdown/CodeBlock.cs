namespace ChatGLM.Docs.Tests;

/// <summary>A fenced block.</summary>
/// <param name="Language">The word behind the fence; empty if there is none.</param>
/// <param name="Code">The lines between the fences.</param>
/// <param name="Line">The number of its first line of code.</param>
/// <param name="Comments">What the HTML comments right above it say.</param>
internal sealed record CodeBlock(string Language, string Code, int Line, IReadOnlyList<Comment> Comments);
