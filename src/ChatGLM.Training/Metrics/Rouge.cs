namespace ChatGLM.Training;

/// <summary>ROUGE F1 of single sentences (Lin 2004). A sentence's distinct words count, as in the Python packages <c>rouge</c> and <c>rouge_chinese</c>.</summary>
public static class Rouge
{
    // What those packages add so as not to divide by zero.
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

    /// <summary>The F1 of the distinct words of the longest common subsequence.</summary>
    /// <param name="reference">The words of what should have been written.</param>
    /// <param name="hypothesis">The words of what was written.</param>
    public static double L(IReadOnlyList<string> reference, IReadOnlyList<string> hypothesis)
    {
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(hypothesis);
        return F1(LongestCommon(reference, hypothesis).Distinct().Count(), reference.Distinct().Count(), hypothesis.Distinct().Count());
    }

    private static double F1(int matches, int wanted, int written)
    {
        var (precision, recall) = (written == 0 ? 0 : (double)matches / written, wanted == 0 ? 0 : (double)matches / wanted);
        return 2 * (precision * recall / (precision + recall + Epsilon));
    }

    private static HashSet<NGram<string>> Grams(IReadOnlyList<string> words, int n) =>
        [.. Enumerable.Range(0, Math.Max(0, words.Count - n + 1)).Select(start => new NGram<string>(words, start, n))];

    private static List<string> LongestCommon(IReadOnlyList<string> a, IReadOnlyList<string> b)
    {
        var lengths = new int[a.Count + 1, b.Count + 1];
        for (var i = 1; i <= a.Count; i++)
        {
            for (var j = 1; j <= b.Count; j++)
                lengths[i, j] = a[i - 1] == b[j - 1] ? lengths[i - 1, j - 1] + 1 : Math.Max(lengths[i - 1, j], lengths[i, j - 1]);
        }

        var common = new List<string>();
        for (var (i, j) = (a.Count, b.Count); i > 0 && j > 0;)
        {
            if (a[i - 1] == b[j - 1])
            {
                common.Add(a[i - 1]);
                (i, j) = (i - 1, j - 1);
            }
            else if (lengths[i - 1, j] > lengths[i, j - 1])
            {
                i--;
            }
            else
            {
                j--;
            }
        }

        return common;
    }
}
