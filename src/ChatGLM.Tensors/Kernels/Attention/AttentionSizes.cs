namespace ChatGLM.Tensors;

/// <summary>The lengths of the axes of one attention. Keys is how many of the capacity count.</summary>
internal readonly record struct AttentionSizes(int Batch, int Heads, int KeyValueHeads, int Seq, int Keys, int Capacity, int HeadDim)
{
    /// <summary>Query heads that share a key and value head.</summary>
    public int Group => Heads / KeyValueHeads;

    /// <summary>The key and value head, counted over the batch, of a query head counted over the batch.</summary>
    public long KeyHead(long head) => (head / Heads * KeyValueHeads) + (head % Heads / Group);

    /// <summary>The row length of score blocks: whole panels.</summary>
    public int Stride => PackPanelsBody.PanelsOf(Keys) * PackPanelsBody.Keys;

    /// <summary>Queries of one task: fewer with very many keys, so that a block of scores stays near the processor.</summary>
    public int BlockRows => Keys > 8192 ? 8 : 32;

    /// <summary>Blocks of queries of one head.</summary>
    public int Blocks => (Seq + BlockRows - 1) / BlockRows;
}
