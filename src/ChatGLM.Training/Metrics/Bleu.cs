namespace ChatGLM.Training;

/// <summary>BLEU of single sentences, as NLTK's <c>sentence_bleu</c> with smoothing method 3 gives it.</summary>
public static class Bleu
{
    private const int Orders = 4;

    /// <summary>BLEU-4 of a sentence against one reference, 0 to 1: the geometric mean of the precisions of 1 to 4 tokens in a row, times the brevity penalty. A precision of zero counts as
    /// half, a quarter... of one match.</summary>
    /// <typeparam name="T">Characters, as THUDM's script compares, or words.</typeparam>
    /// <param name="reference">What should have been written.</param>
    /// <param name="hypothesis">What was written.</param>
    public static double Sentence<T>(IReadOnlyList<T> reference, IReadOnlyList<T> hypothesis)
        where T : notnull
    {
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(hypothesis);
        double logs = 0;
        var smoothed = 0;
        for (var order = 1; order <= Orders; order++)
        {
            var wanted = Count(reference, order);
            var matches = Count(hypothesis, order).Sum(gram => Math.Min(gram.Value, wanted.GetValueOrDefault(gram.Key)));
            if (order == 1 && matches == 0)
                return 0;
            double all = Math.Max(1, hypothesis.Count - order + 1);
            logs += Math.Log(matches > 0 ? matches / all : 1 / (Math.Pow(2, ++smoothed) * all)) / Orders;
        }

        var penalty = hypothesis.Count > reference.Count ? 1 : Math.Exp(1 - ((double)reference.Count / hypothesis.Count));
        return penalty * Math.Exp(logs);
    }

    private static Dictionary<NGram<T>, int> Count<T>(IReadOnlyList<T> tokens, int order)
        where T : notnull
    {
        var counts = new Dictionary<NGram<T>, int>();
        for (var start = 0; start + order <= tokens.Count; start++)
        {
            var gram = new NGram<T>(tokens, start, order);
            counts[gram] = counts.GetValueOrDefault(gram) + 1;
        }

        return counts;
    }
}
