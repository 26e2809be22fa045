namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// The right operand [k, columns] of a <see cref="Gemm{TSimd, TVec, TPanels}"/> in whatever format it is stored: it only has to copy a block of itself, widened to float32, into the
/// panels that the micro-kernel reads. A new weight format is one implementation of this for many rows, and one matrix-vector kernel for few.
/// </summary>
internal unsafe interface IPanelSource
{
    /// <summary>Scratch floats that <see cref="Pack"/> needs for a block of <paramref name="depth"/> rows.</summary>
    int ScratchFloats(int depth);

    /// <summary>
    /// Packs rows <paramref name="k"/>.. (as many as <paramref name="depth"/>) of columns <paramref name="column"/>.. (as many as <paramref name="columns"/>). A panel is two vectors wide and
    /// holds its rows one after the other; panel follows panel; the columns that are missing in the last one are zero.
    /// </summary>
    void Pack(int k, int depth, int column, int columns, float* target, float* scratch);
}
