namespace ChatGLM.Tensors.Kernels;

/// <summary>How two vectors of elements at a time become float32 in registers: all that a matrix-vector product needs to know of a weight format.</summary>
internal unsafe interface IPairFormat
{
    static abstract int BitsPerElement { get; }

    /// <summary>Whether <see cref="LoadPair"/> gives the even and the odd elements of a block, instead of its first and second half: what two values in a lane or a byte come
    /// apart into without crossing lanes.</summary>
    static abstract bool PairsAreInterleaved { get; }

    /// <summary><see cref="LoadPair"/> gives the elements times 2 to this power; the sign of a zero may be lost.</summary>
    static abstract int PairExponent { get; }

    /// <summary>2 * Count elements, in the order that <see cref="PairsAreInterleaved"/> says.</summary>
    static abstract void LoadPair<TSimd, TVec>(byte* source, out TVec first, out TVec second)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct;
}
