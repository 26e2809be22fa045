using ChatGLM.Tokenizers;

namespace ChatGLM.Training;

/// <summary>The metrics of THUDM's script for <see cref="TrainerOptions.ComputeMetrics"/>: rouge-1, rouge-2, rouge-l and bleu-4, each the mean of per-row values times 100 with four decimals.</summary>
public static class Seq2SeqMetrics
{
    private const int IgnoredLabel = -100;

    private static readonly string[] ChatGLM3Names = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"];

    /// <summary>A function that decodes predictions and labels, and compares them.</summary>
    /// <param name="tokenizer">The tokenizer of the model.</param>
    /// <param name="segmenter">Splits text into words; a <see cref="JiebaSegmenter"/> with the built-in words if null. The script has jieba's dictionary, which <see cref="JiebaDictionary.FromFile"/> reads.</param>
    public static Func<EvalPrediction, IReadOnlyDictionary<string, double>> Of(ChatGLMTokenizer tokenizer, IWordSegmenter? segmenter = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        segmenter ??= new JiebaSegmenter();
        return prediction => Compute(
            prediction.Predictions.Zip(prediction.LabelIds, (predicted, label) => (Decode(tokenizer, predicted), Decode(tokenizer, label))),
            segmenter);
    }

    /// <summary>Compares texts.</summary>
    /// <param name="rows">What was written, and what should have been.</param>
    /// <param name="segmenter">Splits text into words.</param>
    public static IReadOnlyDictionary<string, double> Compute(IEnumerable<(string Predicted, string Label)> rows, IWordSegmenter segmenter)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(segmenter);
        var (rouge1, rouge2, rougeL, bleu) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        foreach (var (predicted, label) in rows)
        {
            var (words, wanted) = (RougeWords.Of(segmenter.Split(predicted)), RougeWords.Of(segmenter.Split(label)));
            rouge1.Add(Percent(Rouge.N(wanted, words, 1)));
            rouge2.Add(Percent(Rouge.N(wanted, words, 2)));
            rougeL.Add(Percent(Rouge.L(wanted, words)));
            bleu.Add(Percent(Bleu.Sentence([.. label.EnumerateRunes()], [.. predicted.EnumerateRunes()])));
        }

        double Mean(List<double> values) => values.Count == 0 ? 0 : values.Average();
        return new Dictionary<string, double> { ["rouge-1"] = Mean(rouge1), ["rouge-2"] = Mean(rouge2), ["rouge-l"] = Mean(rougeL), ["bleu-4"] = Mean(bleu) };
    }

    /// <summary>The text of a row of ids, without special tokens and what does not count.</summary>
    /// <param name="tokenizer">The tokenizer of the model.</param>
    /// <param name="ids">The ids; -100 counts as nothing.</param>
    /// <param name="cleanUpTokenizationSpaces">Whether spaces before English punctuation go; null for the tokenizer's own setting.</param>
    public static string Decode(ChatGLMTokenizer tokenizer, IReadOnlyList<int> ids, bool? cleanUpTokenizationSpaces = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        // ChatGLM3 decodes special tokens to their names even where they are to be skipped; its end token is none of them.
        var special = tokenizer.Generation == ChatGLMGeneration.ChatGLM3 ? ChatGLM3Names.Select(tokenizer.GetCommand).ToArray() : [];
        return tokenizer.Decode([.. ids.Where(id => id != IgnoredLabel && !special.Contains(id))], new DecodeOptions { SkipSpecialTokens = true, CleanUpTokenizationSpaces = cleanUpTokenizationSpaces });
    }

    private static double Percent(double value) => Math.Round(value * 100, 4);
}
