namespace ChatGLM.Tensors.Kernels;

/// <summary>How elements of a dense matrix are widened to float32 in registers.</summary>
internal unsafe interface IElementFormat
{
    static abstract int SizeInBytes { get; }

    /// <summary>Whether <see cref="LoadPair"/> gives the even and the odd elements of a block, instead of its first and second half: what two 16-bit values in a 32-bit lane come
    /// apart into without crossing lanes.</summary>
    static abstract bool PairsAreInterleaved { get; }

    /// <summary><see cref="LoadPair"/> gives the elements times 2 to this power; the sign of a zero may be lost.</summary>
    static abstract int PairExponent { get; }

    /// <summary>Count elements in order.</summary>
    static abstract TVec Load<TSimd, TVec>(byte* source)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct;

    /// <summary>2 * Count elements, in the order that <see cref="PairsAreInterleaved"/> says.</summary>
    static abstract void LoadPair<TSimd, TVec>(byte* source, out TVec first, out TVec second)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct;
}
