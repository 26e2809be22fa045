namespace ChatGLM.Tensors.Kernels;

/// <summary>How elements of a dense matrix are widened to float32 in registers.</summary>
internal unsafe interface IElementFormat : IPairFormat
{
    static abstract int SizeInBytes { get; }

    /// <summary>Count elements in order.</summary>
    static abstract TVec Load<TSimd, TVec>(byte* source)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct;
}
