using ChatGLM.Generation;

namespace ChatGLM.Core.Tests.Generation;

/// <summary>
/// A stand-in for a model whose scores are a hash of the last two tokens and the length: the same few lines in Python, put through torch's own
/// operations, gave the expected values of these tests.
/// </summary>
internal sealed class HashSession : IDecodingSession
{
    public const int Vocabulary = 23;

    private readonly List<List<int>> _rows;
    private readonly float[] _logits = new float[Vocabulary];

    public HashSession(IEnumerable<int[]> prompts) => _rows = [.. prompts.Select(p => p.ToList())];

    public bool Disposed { get; private set; }

    public int Steps { get; private set; }

    /// <summary>Changes a row's scores before they are seen.</summary>
    public Action<int, float[]>? Spoil { get; init; }

    /// <summary>Called before each step.</summary>
    public Action<int>? OnStep { get; init; }

    public IReadOnlyList<IReadOnlyList<int>> Fed => _rows;

    public int Rows => _rows.Count;

    public int VocabularySize => Vocabulary;

    public int Length => _rows[0].Count;

    public ReadOnlySpan<float> Logits(int row)
    {
        var ids = _rows[row];
        for (var v = 0; v < Vocabulary; v++)
        {
            var key = (ulong)(ids[^1] * 131 + ids[^2] * 31 + v * 17 + ids.Count * 7 + 1);
            var mixed = key * key * 2654435761 + (ulong)((ids[^1] * 23 + v) * 40503 * v);
            _logits[v] = (float)(mixed % (1UL << 32) / (double)(1UL << 32) * 6);
        }

        Spoil?.Invoke(row, _logits);
        return _logits;
    }

    public void Step(ReadOnlySpan<int> tokens, CancellationToken cancellationToken)
    {
        OnStep?.Invoke(Steps);
        cancellationToken.ThrowIfCancellationRequested();
        tokens.Length.Should().Be(Rows);
        for (var row = 0; row < tokens.Length; row++)
        {
            tokens[row].Should().BeInRange(0, Vocabulary - 1, "only tokens of the vocabulary may be fed");
            _rows[row].Add(tokens[row]);
        }

        Steps++;
    }

    public void SelectRows(ReadOnlySpan<int> rows)
    {
        var selected = new List<List<int>>();
        foreach (var row in rows)
            selected.Add([.. _rows[row]]);
        _rows.Clear();
        _rows.AddRange(selected);
    }

    public void Dispose() => Disposed = true;
}
