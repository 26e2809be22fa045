namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>A measured value and its ratio to a ceiling that was measured in the same run.</summary>
internal sealed record ResultRow(string Name, double Value, string Unit, string? Ceiling, double? Ratio);
