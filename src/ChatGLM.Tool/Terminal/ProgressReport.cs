namespace ChatGLM.Tool.Terminal;

/// <summary>How far something is.</summary>
/// <param name="Phase">What is going on, such as <c>downloading</c>. Each phase has a bar of its own.</param>
/// <param name="Done">How much is done.</param>
/// <param name="Total">How much there is; 0 if that is not known.</param>
/// <param name="Unit">What is counted: <c>bytes</c>, a plural such as <c>rows</c>, or nothing that is worth showing (empty).</param>
/// <param name="PerSecond">The rate of late; null to compute it from the start of the phase.</param>
/// <param name="Remaining">The time left; null to compute it from the rate.</param>
/// <param name="Detail">What else there is to see, such as the name of a file.</param>
internal readonly record struct ProgressReport(string Phase, long Done, long Total, string Unit, double? PerSecond = null, TimeSpan? Remaining = null, string? Detail = null);
