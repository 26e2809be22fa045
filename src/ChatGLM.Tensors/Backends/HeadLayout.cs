namespace ChatGLM.Tensors;

/// <summary>How query, key and value lie in the output of one fused projection.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads: fewer than <paramref name="Heads"/> in multi-query attention, each serving heads / keyValueHeads query heads in order.</param>
/// <param name="HeadDim">Elements of one head.</param>
/// <param name="InterleavedPerHead">True: q, k, v of head 0, then of head 1 (ChatGLM-6B, and ChatGLM2 without multi-query). False: all q, then all k, then all v.</param>
public readonly record struct HeadLayout(int Heads, int KeyValueHeads, int HeadDim, bool InterleavedPerHead)
{
    /// <summary>The width of the fused projection.</summary>
    public int Width => (Heads + (2 * KeyValueHeads)) * HeadDim;
}
