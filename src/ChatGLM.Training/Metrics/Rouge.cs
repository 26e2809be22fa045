namespace ChatGLM.Training;

/// <summary>
/// ROUGE F1 of single texts (Lin 2004), as the Python package <c>rouge_chinese</c> computes it: ROUGE-1 and ROUGE-2 over the distinct runs of words, ROUGE-L over the length of the longest common
/// subsequence of all words.
/// </summary>
public static class Rouge
{
    // What that package adds so as not to divide by zero.
    private const double Epsilon = 1e-8;

    /// <summary>The F1 of the distinct runs of n words.</summary>
    /// <param name="reference">The words of what should have been written.</param>
    /// <param name="hypothesis">The words of what was written.</param>
    /// <param name="n">1 for ROUGE-1, 2 for ROUGE-2.</param>
    public static double N(IReadOnlyList<string> reference, IReadOnlyList<string> hypothesis, int n)
    {
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(hypothesis);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        var (wanted, written) = (Grams(reference, n), Grams(hypothesis, n));
        return F1(written.Count(wanted.Contains), wanted.Count, written.Count);
    }

    /// <summary>The F1 of the longest common subsequence, of which every word counts, also one that comes twice.</summary>
    /// <param name="reference">The words of what should have been written.</param>
    /// <param name="hypothesis">The words of what was written.</param>
    public static double L(IReadOnlyList<string> reference, IReadOnlyList<string> hypothesis)
    {
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(hypothesis);
        return F1(LongestCommon(reference, hypothesis), reference.Count, hypothesis.Count);
    }

    private static double F1(int matches, int wanted, int written)
    {
        var (precision, recall) = (written == 0 ? 0 : (double)matches / written, wanted == 0 ? 0 : (double)matches / wanted);
        return 2 * (precision * recall / (precision + recall + Epsilon));
    }

    private static HashSet<NGram<string>> Grams(IReadOnlyList<string> words, int n) =>
        [.. Enumerable.Range(0, Math.Max(0, words.Count - n + 1)).Select(start => new NGram<string>(words, start, n))];

    /// <summary>The length of the longest common subsequence, with two rows of the table at a time.</summary>
    private static int LongestCommon(IReadOnlyList<string> a, IReadOnlyList<string> b)
    {
        var (before, now) = (new int[b.Count + 1], new int[b.Count + 1]);
        for (var i = 0; i < a.Count; i++)
        {
            for (var j = 0; j < b.Count; j++)
                now[j + 1] = a[i] == b[j] ? before[j] + 1 : Math.Max(before[j + 1], now[j]);
            (before, now) = (now, before);
        }

        return before[b.Count];
    }
}
