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

    /// <summary>Puts the queries of virtual tokens before the others. They are part of the context: they see what its last token sees.</summary>
    /// <param name="hidden">[batch, seq, virtual + seq].</param>
    /// <param name="tokens">The ids.</param>
    /// <param name="virtualTokens">The virtual tokens.</param>
    /// <returns>[batch, virtual + seq, virtual + seq].</returns>
    public bool[] WithVirtualQueries(bool[] hidden, TokenBatch tokens, int virtualTokens)
    {
        var keys = virtualTokens + tokens.Seq;
        var extended = new bool[(long)tokens.Batch * keys * keys];
        for (var row = 0; row < tokens.Batch; row++)
        {
            var (from, to) = ((long)row * tokens.Seq * keys, (long)row * keys * keys);
            Array.Copy(hidden, from, extended, to + ((long)virtualTokens * keys), (long)tokens.Seq * keys);
            var context = ContextLength(tokens, row);
            for (var query = 0; query < virtualTokens; query++)
            {
                for (var key = virtualTokens; key < keys; key++)
                    extended[to + ((long)query * keys) + key] = context == 0 || hidden[from + ((context - 1L) * keys) + key];
            }
        }

        return extended;
    }

    /// <summary>Positions from 0 in the context for the virtual tokens of a pass, and those of the others that much later. A position in the block stays.</summary>
    /// <param name="positions">[batch, sections, seq].</param>
    /// <param name="tokens">The ids.</param>
    /// <param name="sections">1 or 2.</param>
    /// <param name="front">The virtual tokens that the pass runs.</param>
    /// <param name="total">The virtual tokens before the first token.</param>
    /// <returns>[batch, sections, front + seq].</returns>
    public static long[] AfterVirtualTokens(long[] positions, TokenBatch tokens, int sections, int front, int total)
    {
        var seq = front + tokens.Seq;
        var after = new long[(long)tokens.Batch * sections * seq];
        for (var line = 0; line < tokens.Batch * sections; line++)
        {
            var isBlock = line % sections == 1;
            for (var i = 0; i < seq; i++)
            {
                after[((long)line * seq) + i] = i >= front ? positions[((long)line * tokens.Seq) + i - front] + (isBlock ? 0 : total)
                    : isBlock ? 0 : i;
            }
        }

        return after;
    }

    private int ContextLength(TokenBatch tokens, int row) => tokens[row].IndexOf(config.BosTokenId) is >= 0 and var context
        ? context
        : throw new ModelInputException(nameof(ModelInputs.InputIds), $"row {row} has no <sop> ({config.BosTokenId}), before which the context ends. Encode the text with the model's tokenizer, which adds [gMASK] <sop>.");
}
