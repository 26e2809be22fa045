namespace ChatGLM.Tokenizers;

/// <summary>
/// A batch of encoded texts as flat arrays in row-major order, ready to become tensors. What the reference leaves out (6B without padding) is
/// null here.
/// </summary>
public sealed record BatchEncoding
{
    /// <summary>The number of rows.</summary>
    public required int Batch { get; init; }

    /// <summary>The number of tokens of each row.</summary>
    public required int Sequence { get; init; }

    /// <summary>Token ids, <c>[batch, seq]</c>.</summary>
    public required int[] InputIds { get; init; }

    /// <summary>6B: <c>[batch, 1, seq, seq]</c>, 1 = hidden. 2 and 3: <c>[batch, seq]</c>, 1 = a real token.</summary>
    public int[]? AttentionMask { get; init; }

    /// <summary>The shape of <see cref="AttentionMask"/>.</summary>
    public IReadOnlyList<int> AttentionMaskShape { get; init; } = [];

    /// <summary>6B: <c>[batch, 2, seq]</c>, positions and block positions. 2 and 3: <c>[batch, seq]</c>.</summary>
    public int[]? PositionIds { get; init; }

    /// <summary>The shape of <see cref="PositionIds"/>.</summary>
    public IReadOnlyList<int> PositionIdsShape { get; init; } = [];

    /// <summary>The names of what is there, as the models call it.</summary>
    public IReadOnlyList<string> Keys
    {
        get
        {
            List<string> keys = ["input_ids"];
            if (AttentionMask is not null)
                keys.Add("attention_mask");
            if (PositionIds is not null)
                keys.Add("position_ids");
            return keys;
        }
    }

    /// <summary>The ids of one row.</summary>
    public ReadOnlySpan<int> Row(int row) => InputIds.AsSpan(row * Sequence, Sequence);
}
