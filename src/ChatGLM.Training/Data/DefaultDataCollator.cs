using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>Stacks rows of the same length (transformers' <c>default_data_collator</c>). The model derives masks and positions.</summary>
public sealed class DefaultDataCollator : IDataCollator
{
    /// <inheritdoc/>
    public ModelInputs Collate(IReadOnlyList<TokenizedExample> rows, Backend backend)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var seq = rows[0].InputIds.Length;
        for (var i = 0; i < rows.Count; i++)
        {
            if (rows[i].InputIds.Length != seq || (rows[i].Labels?.Length ?? seq) != seq || rows[i].Labels is null != rows[0].Labels is null)
                throw new TrainingDataException($"row {i} of a batch", $"expected {seq} tokens and as many labels, found {rows[i].InputIds.Length} and {rows[i].Labels?.Length}. Rows of different lengths need a DataCollatorForSeq2Seq.");
        }

        return new ModelInputs
        {
            InputIds = Batches.Stack(rows, row => row.InputIds, seq, backend),
            Labels = rows[0].Labels is null ? null : Batches.Stack(rows, row => row.Labels!, seq, backend),
        };
    }
}
