using ChatGLM.Generation;

namespace ChatGLM.Core.Tests.Batching;

/// <summary>Keeps the scores that a request sees, to compare them bit by bit.</summary>
internal sealed class Recorder : LogitsProcessor
{
    public List<float[]> Scores { get; } = [];

    public override void Process(InputIds inputIds, TokenScores scores) => Scores.Add(scores[0].ToArray());
}
