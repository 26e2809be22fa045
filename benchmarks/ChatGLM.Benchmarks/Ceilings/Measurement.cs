namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>One line of the table: something that is measured, and the ceiling it is compared with.</summary>
internal abstract class Measurement(string name, string unit, string? ceiling) : IDisposable
{
    /// <summary>What is measured, such as <c>gemm.f32</c>.</summary>
    public string Name { get; } = name;

    /// <summary>The unit of the value; more is better.</summary>
    public string Unit { get; } = unit;

    /// <summary>The name of the measurement that bounds this one, or null if it is a ceiling itself.</summary>
    public string? Ceiling { get; } = ceiling;

    /// <summary>Does the work once, a tenth of a second or so of it, and returns the amount of work in units times seconds (GB, GFLOP, tokens).</summary>
    public abstract double Run();

    public virtual void Dispose()
    {
    }
}
