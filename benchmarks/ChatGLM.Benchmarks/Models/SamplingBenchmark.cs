using System.Diagnostics;
using ChatGLM.Generation;

namespace ChatGLM.Benchmarks.Models;

/// <summary>What it takes to choose a token from its scores: processors, filters and the draw, without the model.</summary>
internal static class SamplingBenchmark
{
    private const int Tokens = 40;

    /// <summary>Microseconds per token, the best of a few rounds.</summary>
    /// <param name="name">The row.</param>
    /// <param name="vocabulary">The scores of a token.</param>
    /// <param name="config">How it is chosen.</param>
    /// <param name="rounds">How often it is measured.</param>
    public static BenchmarkRow Measure(string name, int vocabulary, GenerationConfig config, int rounds)
    {
        var best = double.PositiveInfinity;
        for (var round = 0; round <= 4 * rounds; round++)
        {
            var session = new Scores(vocabulary);
            var request = new GenerationRequest { Prompts = [[1, 2, 3, 4]], Config = config with { MaxNewTokens = Tokens + 1, EosTokenId = [], Seed = round }, OnToken = session.Count };
            Generator.Generate(session, request);
            best = Math.Min(best, session.Seconds / Tokens);
        }

        return new BenchmarkRow(name, best * 1e6, "us/token");
    }

    /// <summary>A few likely tokens above a bell of unlikely ones, as a language model gives them.</summary>
    private sealed class Scores : IDecodingSession
    {
        private readonly float[] _scores;
        private long _start;
        private int _tokens;

        public Scores(int vocabulary)
        {
            var random = new Random(1);
            _scores = new float[vocabulary];
            for (var i = 0; i < vocabulary; i++)
                _scores[i] = (float)(2.5 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
            for (var i = 0; i < 30; i++)
                _scores[random.Next(vocabulary)] = 16 - (0.4f * i);
        }

        public double Seconds { get; private set; }

        public int Rows => 1;

        public int VocabularySize => _scores.Length;

        public int Length => 4 + _tokens;

        public void Count(int row, int token)
        {
            // The first token grows what is used again and again.
            if (_tokens++ == 0)
                _start = Stopwatch.GetTimestamp();
            else
                Seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
        }

        public ReadOnlySpan<float> Logits(int row) => _scores;

        public void Step(ReadOnlySpan<int> tokens, CancellationToken cancellationToken)
        {
        }

        public void SelectRows(ReadOnlySpan<int> rows)
        {
        }

        public void Dispose()
        {
        }
    }
}
