namespace ChatGLM.Tool.Measuring;

/// <summary>What a model does on this machine.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Format">What its weights are.</param>
/// <param name="Parameters">How many parameters it has.</param>
/// <param name="WeightBytes">The bytes of its weights in memory.</param>
/// <param name="BytesPerToken">The bytes of the linear layers, which every token reads.</param>
/// <param name="Threads">The threads that computed.</param>
/// <param name="LoadSeconds">From its name to a model in memory, without a download.</param>
/// <param name="Rows">The measurements.</param>
/// <param name="ReadBytesPerSecond">The read bandwidth, measured between the repetitions: the best.</param>
/// <param name="PeakMemoryBytes">The most memory that the process has had, mapped weights included.</param>
internal sealed record BenchReport(
    string Model, string Format, long Parameters, long WeightBytes, long BytesPerToken, int Threads, double LoadSeconds, IReadOnlyList<BenchRow> Rows, double ReadBytesPerSecond, long PeakMemoryBytes);
