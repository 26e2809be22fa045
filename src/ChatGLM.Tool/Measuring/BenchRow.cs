namespace ChatGLM.Tool.Measuring;

/// <summary>One measurement.</summary>
/// <param name="Test">What was done: <c>pp512</c> reads a prompt of 512 tokens, <c>tg64</c> writes 64, as llama-bench calls them.</param>
/// <param name="Tokens">The tokens of one repetition.</param>
/// <param name="Rates">Tokens a second of each repetition.</param>
/// <param name="Ceiling">What the read bandwidth allows, in tokens a second; null where it is not the limit.</param>
internal sealed record BenchRow(string Test, int Tokens, IReadOnlyList<double> Rates, double? Ceiling)
{
    public double Mean => Rates.Average();

    public double Best => Rates.Max();

    /// <summary>The standard deviation; 0 of a single repetition.</summary>
    public double Deviation => Rates.Count < 2 ? 0 : Math.Sqrt(Rates.Sum(rate => (rate - Mean) * (rate - Mean)) / (Rates.Count - 1));
}
