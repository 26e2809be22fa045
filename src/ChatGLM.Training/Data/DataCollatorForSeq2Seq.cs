using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Training;

/// <summary>
/// Pads the rows of a batch to the longest, on the left as ChatGLM's tokenizers do, with their masks and positions; labels likewise (transformers' <c>DataCollatorForSeq2Seq</c>).
/// </summary>
/// <param name="tokenizer">The tokenizer of the model.</param>
/// <param name="labelPadTokenId">The label of padding.</param>
/// <param name="padToMultipleOf">Round the length of rows, and of labels, up to a multiple of this.</param>
/// <param name="minLength">The least length of prompts. THUDM's script pads the rows of a whole evaluation set to one length, which counts in the greatest length of what is generated.</param>
/// <param name="paddingSide">Where padding goes. On the right there are no masks: the model derives them, and padding comes too late to change anything.</param>
public sealed class DataCollatorForSeq2Seq(
    ChatGLMTokenizer tokenizer, int labelPadTokenId = -100, int? padToMultipleOf = null, int minLength = 0, PaddingSide paddingSide = PaddingSide.Left) : IDataCollator
{
    /// <inheritdoc/>
    public ModelInputs Collate(IReadOnlyList<TokenizedExample> rows, Backend backend)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var seq = Rounded(Math.Max(minLength, rows.Max(row => row.InputIds.Length)));
        var inputs = paddingSide == PaddingSide.Right
            ? new ModelInputs { InputIds = Padded(rows, row => row.InputIds, seq, tokenizer.PadTokenId, backend) }
            : PaddedLeft(rows, seq, backend);
        if (rows[0].Labels is null)
            return inputs;
        // Labels of an evaluation row can be longer than its prompt; they are only compared then, not learned from.
        var longest = rows.Max(row => row.Labels?.Length ?? throw new TrainingDataException("a batch", "some of its rows have labels and some have none."));
        var width = rows.All(row => row.Labels!.Length == row.InputIds.Length) ? seq : Rounded(longest);
        return inputs with { Labels = Padded(rows, row => row.Labels!, width, labelPadTokenId, backend) };
    }

    private ModelInputs PaddedLeft(IReadOnlyList<TokenizedExample> rows, int seq, Backend backend)
    {
        var batch = tokenizer.Pad([.. rows.Select(row => row.InputIds)], new BatchEncodeOptions { Padding = PaddingStrategy.MaxLength, MaxLength = seq });
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

        return batch.PositionIds is { } positions ? inputs with { PositionIds = Batches.Wide(positions, [.. batch.PositionIdsShape], backend) } : inputs;
    }

    private Tensor Padded(IReadOnlyList<TokenizedExample> rows, Func<TokenizedExample, int[]> of, int width, int padding, Backend backend)
    {
        var values = new long[checked(rows.Count * width)];
        Array.Fill(values, padding);
        for (var row = 0; row < rows.Count; row++)
        {
            var ids = of(rows[row]);
            var start = (row * width) + (paddingSide == PaddingSide.Right ? 0 : width - ids.Length);
            Batches.Widen(ids, values.AsSpan(start, ids.Length));
        }

        return Tensor.From(values, [rows.Count, width], backend);
    }

    private int Rounded(int length) => padToMultipleOf switch
    {
        null => length,
        <= 0 => throw new TrainingArgumentsException("pad_to_multiple_of", $"expected 1 or more, found {padToMultipleOf}."),
        { } multiple => checked((int)(((long)length + multiple - 1) / multiple * multiple)),
    };
}
