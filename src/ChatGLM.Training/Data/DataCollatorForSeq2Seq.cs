using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Training;

/// <summary>
/// Pads the rows of a batch to the longest, on the left as ChatGLM's tokenizers do, with their masks and positions; labels likewise (transformers' <c>DataCollatorForSeq2Seq</c>).
/// </summary>
/// <param name="tokenizer">The tokenizer of the model.</param>
/// <param name="labelPadTokenId">The label of padding.</param>
/// <param name="padToMultipleOf">Round the length up to a multiple of this.</param>
public sealed class DataCollatorForSeq2Seq(ChatGLMTokenizer tokenizer, int labelPadTokenId = -100, int? padToMultipleOf = null) : IDataCollator
{
    /// <inheritdoc/>
    public ModelInputs Collate(IReadOnlyList<TokenizedExample> rows, Backend backend)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var batch = tokenizer.Pad([.. rows.Select(row => row.InputIds)], new BatchEncodeOptions { Padding = PaddingStrategy.Longest, PadToMultipleOf = padToMultipleOf });
        var inputs = new ModelInputs { InputIds = Batches.Wide(batch.InputIds, [batch.Batch, batch.Sequence], backend) };
        if (batch.AttentionMask is { } mask)
        {
            // ChatGLM-6B's mask says what is hidden and is bool; the later one counts real tokens.
            inputs = inputs with
            {
                AttentionMask = tokenizer.Generation == ChatGLMGeneration.ChatGLM6B
                    ? Tensor.From(Array.ConvertAll(mask, m => m != 0), new Shape([.. batch.AttentionMaskShape]), backend)
                    : Batches.Wide(mask, [.. batch.AttentionMaskShape], backend),
            };
        }

        if (batch.PositionIds is { } positions)
            inputs = inputs with { PositionIds = Batches.Wide(positions, [.. batch.PositionIdsShape], backend) };
        return rows[0].Labels is null ? inputs : inputs with { Labels = Labels(rows, inputs.InputIds, batch.Sequence, backend) };
    }

    private Tensor Labels(IReadOnlyList<TokenizedExample> rows, Tensor inputIds, int seq, Backend backend)
    {
        // Labels of an evaluation row can be longer than its prompt; they are only compared then, not learned from.
        var longest = rows.Max(row => row.Labels?.Length ?? throw new TrainingDataException("a batch", "some of its rows have labels and some have none."));
        var width = Math.Max(longest, rows.All(row => row.Labels!.Length == row.InputIds.Length) ? seq : longest);
        var values = new long[checked(rows.Count * width)];
        Array.Fill(values, labelPadTokenId);
        for (var row = 0; row < rows.Count; row++)
        {
            var labels = rows[row].Labels!;
            Batches.Widen(labels, values.AsSpan(((row + 1) * width) - labels.Length, labels.Length));
        }

        return Tensor.From(values, [inputIds.Shape[0], width], backend);
    }
}
