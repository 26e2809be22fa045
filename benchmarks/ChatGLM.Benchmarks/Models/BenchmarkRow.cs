namespace ChatGLM.Benchmarks.Models;

/// <summary>One line of <c>benchmarks/run</c>.</summary>
/// <param name="Name">What was measured, such as <c>decode.int4</c>.</param>
/// <param name="Value">The figure.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Ceiling">What the machine allows, in the same unit, by the ceiling measured in the same run; null for a ceiling itself.</param>
/// <param name="Ratio">How near the value comes to the ceiling, 1 being there; for answers at once (<c>batch</c>) how often the rate of one; else null without a ceiling.</param>
internal sealed record BenchmarkRow(string Name, double Value, string Unit, double? Ceiling = null, double? Ratio = null)
{
    /// <summary>A rate: more is better.</summary>
    public static BenchmarkRow Rate(string name, double value, string unit, double ceiling) => new(name, value, unit, ceiling, value / ceiling);

    /// <summary>A time: less is better.</summary>
    public static BenchmarkRow Time(string name, double seconds, double least) => new(name, seconds, "s", least, least / seconds);
}
