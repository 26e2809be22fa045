namespace ChatGLM.Fuzz;

/// <summary>What came of a run.</summary>
/// <param name="Target">The target's name.</param>
/// <param name="Inputs">How many inputs were read.</param>
/// <param name="Accepted">How many of them were read without an error.</param>
/// <param name="Failures">Those that went wrong.</param>
/// <param name="Elapsed">The time taken.</param>
/// <param name="SlowestMilliseconds">The slowest input.</param>
/// <param name="MostAllocatedBytes">The managed memory that the hungriest input took.</param>
public sealed record FuzzReport(
    string Target, long Inputs, long Accepted, IReadOnlyList<FuzzFailure> Failures, TimeSpan Elapsed, double SlowestMilliseconds, long MostAllocatedBytes)
{
    public override string ToString() =>
        $"{Target}: {Inputs} inputs, {Accepted} accepted, {Inputs - Accepted - Failures.Count} refused, {Failures.Count} failures in {Elapsed.TotalSeconds:F1} s "
        + $"(slowest {SlowestMilliseconds:F1} ms, most memory {MostAllocatedBytes / 1024} KiB)";
}
