using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM6B;

/// <summary>The masks and positions that follow from the ids alone: the context ends before <c>&lt;sop&gt;</c>, the blank to fill is [gMASK], or [MASK] where there is none.</summary>
internal sealed class ContextMasks(ChatGLM6BConfig config)
{
    /// <summary>Hidden keys, [batch, seq, seq]: the context sees itself, the answer what is before it.</summary>
    public bool[] Hidden(TokenBatch tokens)
    {
        var hidden = new bool[(long)tokens.Batch * tokens.Seq * tokens.Seq];
        for (var row = 0; row < tokens.Batch; row++)
        {
            var context = ContextLength(tokens, row);
            for (var query = 0; query < tokens.Seq; query++)
            {
                var at = ((long)row * tokens.Seq + query) * tokens.Seq;
                for (var key = Math.Max(context, query + 1); key < tokens.Seq; key++)
                    hidden[at + key] = true;
            }
        }

        return hidden;
    }

    /// <summary>[batch, 2, seq], or [batch, seq] with one-dimensional positions.</summary>
    public long[] Positions(TokenBatch tokens)
    {
        var sections = config.PositionEncoding2D ? 2 : 1;
        var positions = new long[(long)tokens.Batch * sections * tokens.Seq];
        for (var row = 0; row < tokens.Batch; row++)
        {
            var context = ContextLength(tokens, row);
            var (mask, isGMask) = MaskPosition(tokens[row], row);
            var first = row * sections * tokens.Seq;
            for (var i = 0; i < tokens.Seq; i++)
            {
                // With one-dimensional positions the answer to [gMASK] counts on; all other answers stay at the blank they fill.
                var staysAtMask = i >= context && (config.PositionEncoding2D || !isGMask);
                positions[first + i] = staysAtMask ? mask : i;
                if (sections == 2)
                    positions[first + tokens.Seq + i] = Math.Max(0, i - context + 1);
            }
        }

        return positions;
    }

    /// <summary>Where a row's blank is, and whether it is a [gMASK].</summary>
    public (int Position, bool IsGMask) MaskPosition(ReadOnlySpan<long> ids, int row)
    {
        if (ids.IndexOf(config.GMaskTokenId) is >= 0 and var gmask)
            return (gmask, true);
        return ids.IndexOf(config.MaskTokenId) is >= 0 and var mask
            ? (mask, false)
            : throw new ModelInputException(nameof(ModelInputs.InputIds), $"row {row} has neither [gMASK] ({config.GMaskTokenId}) nor [MASK] ({config.MaskTokenId}): there is no blank to fill. Encode the text with the model's tokenizer, which adds [gMASK] <sop>.");
    }

    /// <summary>Checks a mask [batch or 1, 1, seq, keys] or [batch or 1, seq, keys] and spreads it over the batch.</summary>
    public static bool[] Check(Tensor mask, TokenBatch tokens, int keys)
    {
        var shape = mask.Shape;
        var fits = mask.DType == DType.Bool && shape.Rank is 3 or 4 && shape[^1] == keys && shape[^2] == tokens.Seq
            && (shape.Rank == 3 || shape[1] == 1) && (shape[0] == tokens.Batch || shape[0] == 1);
        if (!fits)
            throw new ModelInputException(nameof(ModelInputs.AttentionMask), $"expected bool [{tokens.Batch}, 1, {tokens.Seq}, {keys}] with true where a key is hidden, found {mask.DType} {shape}.");
        var values = mask.ToArray<bool>();
        if (shape[0] == tokens.Batch)
            return values;
        var spread = new bool[(long)tokens.Batch * tokens.Seq * keys];
        for (var row = 0; row < tokens.Batch; row++)
            values.CopyTo(spread, (long)row * tokens.Seq * keys);
        return spread;
    }

    /// <summary>Puts visible keys for a P-Tuning prefix before those of every query.</summary>
    public static bool[] BehindPrefix(bool[] hidden, int keys, int prefixLength)
    {
        if (prefixLength == 0)
            return hidden;
        var queries = hidden.Length / keys;
        var extended = new bool[(long)queries * (prefixLength + keys)];
        for (var query = 0; query < queries; query++)
            Array.Copy(hidden, (long)query * keys, extended, ((long)query * (prefixLength + keys)) + prefixLength, keys);
        return extended;
    }

    private int ContextLength(TokenBatch tokens, int row) => tokens[row].IndexOf(config.BosTokenId) is >= 0 and var context
        ? context
        : throw new ModelInputException(nameof(ModelInputs.InputIds), $"row {row} has no <sop> ({config.BosTokenId}), before which the context ends. Encode the text with the model's tokenizer, which adds [gMASK] <sop>.");
}
