using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>The ids of a forward pass, read once and checked: [batch, seq].</summary>
internal readonly struct TokenBatch
{
    /// <summary>What stands for a virtual token: no id of any vocabulary.</summary>
    private const long VirtualToken = -1;

    private readonly long[] _ids;

    private TokenBatch(long[] ids, int batch, int seq)
    {
        _ids = ids;
        (Batch, Seq) = (batch, seq);
    }

    public int Batch { get; }

    public int Seq { get; }

    public ReadOnlySpan<long> this[int row] => _ids.AsSpan(row * Seq, Seq);

    /// <summary>These tokens with virtual ones before each row.</summary>
    public TokenBatch Behind(int virtualTokens)
    {
        if (virtualTokens == 0)
            return this;
        var ids = new long[Batch * (virtualTokens + (long)Seq)];
        ids.AsSpan().Fill(VirtualToken);
        var behind = new TokenBatch(ids, Batch, virtualTokens + Seq);
        for (var row = 0; row < Batch; row++)
            this[row].CopyTo(ids.AsSpan((row * behind.Seq) + virtualTokens));
        return behind;
    }

    /// <summary>One row of ids that have been checked.</summary>
    public static TokenBatch Of(long[] ids) => new(ids, 1, ids.Length);

    public static TokenBatch Read(Tensor ids, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (ids.Shape.Rank != 2 || ids.DType != DType.Int64 || ids.ElementCount == 0)
            throw new ModelInputException(nameof(ModelInputs.InputIds), $"expected int64 [batch, seq] with at least one token, found {ids.DType} {ids.Shape}.");
        var batch = new TokenBatch(ids.ToArray<long>(), ids.Shape[0], ids.Shape[1]);
        for (var i = 0; i < batch._ids.Length; i++)
        {
            if (batch._ids[i] < 0 || batch._ids[i] >= vocabularySize)
                throw new TokenIdOutOfRangeException(batch._ids[i], i / batch.Seq, i % batch.Seq, vocabularySize);
        }

        return batch;
    }
}
