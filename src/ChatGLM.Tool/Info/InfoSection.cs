namespace ChatGLM.Tool.Info;

/// <summary>A part of what there is to know, as names and values.</summary>
/// <param name="Title">What it is about.</param>
/// <param name="Rows">The values.</param>
internal sealed record InfoSection(string Title, IReadOnlyList<(string Name, string Value)> Rows);
