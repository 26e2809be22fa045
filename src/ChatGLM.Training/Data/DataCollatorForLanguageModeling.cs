using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Training;

/// <summary>
/// Makes a batch in which every token is to be learned from those before it (transformers' <c>DataCollatorForLanguageModeling</c> with <c>mlm=False</c>): the labels are the rows, padding does
/// not count.
/// </summary>
/// <param name="tokenizer">The tokenizer of the model.</param>
/// <param name="padToMultipleOf">Round the length of rows up to a multiple of this.</param>
/// <param name="paddingSide">Where padding goes.</param>
public sealed class DataCollatorForLanguageModeling(ChatGLMTokenizer tokenizer, int? padToMultipleOf = null, PaddingSide paddingSide = PaddingSide.Left) : IDataCollator
{
    private const int IgnoredLabel = -100;

    private readonly DataCollatorForSeq2Seq _padding = new(tokenizer, IgnoredLabel, padToMultipleOf, paddingSide: paddingSide);

    /// <inheritdoc/>
    public ModelInputs Collate(IReadOnlyList<TokenizedExample> rows, Backend backend)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return _padding.Collate([.. rows.Select(row => row with { Labels = Labels(row.InputIds) })], backend);
    }

    private int[] Labels(int[] ids)
    {
        var labels = ids.AsSpan().ToArray();
        labels.AsSpan().Replace(tokenizer.PadTokenId, IgnoredLabel);
        return labels;
    }
}
