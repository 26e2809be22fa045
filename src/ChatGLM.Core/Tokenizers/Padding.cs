namespace ChatGLM.Tokenizers;

/// <summary>Left padding with the attention mask and positions of each generation.</summary>
internal static class Padding
{
    /// <summary>2 and 3: mask <c>[batch, seq]</c>, 1 = real; positions count from 0 at the first real token.</summary>
    public static BatchEncoding PadPrefixLm(IReadOnlyList<int[]> rows, int sequence, int padTokenId)
    {
        var ids = NewIds(rows, sequence, padTokenId);
        var mask = new int[ids.Length];
        var positions = new int[ids.Length];
        for (var row = 0; row < rows.Count; row++)
        {
            var padding = sequence - rows[row].Length;
            var start = (row * sequence) + padding;
            for (var i = 0; i < rows[row].Length; i++)
                (mask[start + i], positions[start + i]) = (1, i);
        }

        return new BatchEncoding
        {
            Batch = rows.Count,
            Sequence = sequence,
            InputIds = ids,
            AttentionMask = mask,
            AttentionMaskShape = [rows.Count, sequence],
            PositionIds = positions,
            PositionIdsShape = [rows.Count, sequence],
        };
    }

    /// <summary>
    /// 6B: mask <c>[batch, 1, seq, seq]</c>, 1 = hidden, the context visible to all and the rest causal; positions <c>[batch, 2, seq]</c>.
    /// </summary>
    public static BatchEncoding PadGlm(
        IReadOnlyList<int[]> rows, int sequence, int padTokenId, int bosTokenId, int maskTokenId, int gmaskTokenId)
    {
        var mask = new int[checked(rows.Count * sequence * sequence)];
        var positions = new int[rows.Count * 2 * sequence];
        for (var row = 0; row < rows.Count; row++)
        {
            ReadOnlySpan<int> ids = rows[row];
            var padding = sequence - ids.Length;
            var context = ids.IndexOf(bosTokenId);
            context = context < 0 ? ids.Length : context;
            FillMask(mask.AsSpan(row * sequence * sequence, sequence * sequence), sequence, padding, context);

            var maskPosition = ids.IndexOf(maskTokenId);
            if (maskPosition < 0)
                maskPosition = ids.IndexOf(gmaskTokenId);
            var first = positions.AsSpan((row * 2 * sequence) + padding, ids.Length);
            var block = positions.AsSpan((((row * 2) + 1) * sequence) + padding, ids.Length);
            for (var i = 0; i < ids.Length; i++)
            {
                first[i] = i >= context && maskPosition >= 0 ? maskPosition : i;
                block[i] = i >= context ? i - context + 1 : 0;
            }
        }

        return new BatchEncoding
        {
            Batch = rows.Count,
            Sequence = sequence,
            InputIds = NewIds(rows, sequence, padTokenId),
            AttentionMask = mask,
            AttentionMaskShape = [rows.Count, 1, sequence, sequence],
            PositionIds = positions,
            PositionIdsShape = [rows.Count, 2, sequence],
        };
    }

    /// <summary>The ids alone, for a batch without masks.</summary>
    public static BatchEncoding IdsOnly(IReadOnlyList<int[]> rows, int sequence, int padTokenId) => new()
    {
        Batch = rows.Count,
        Sequence = sequence,
        InputIds = NewIds(rows, sequence, padTokenId),
    };

    private static int[] NewIds(IReadOnlyList<int[]> rows, int sequence, int padTokenId)
    {
        var ids = new int[checked(rows.Count * sequence)];
        for (var row = 0; row < rows.Count; row++)
        {
            var padding = sequence - rows[row].Length;
            ids.AsSpan(row * sequence, padding).Fill(padTokenId);
            rows[row].CopyTo(ids, (row * sequence) + padding);
        }

        return ids;
    }

    private static void FillMask(Span<int> mask, int sequence, int padding, int context)
    {
        mask.Fill(1);
        for (var i = padding; i < sequence; i++)
        {
            var visible = Math.Max(i + 1, padding + context);
            mask.Slice((i * sequence) + padding, visible - padding).Clear();
        }
    }
}
