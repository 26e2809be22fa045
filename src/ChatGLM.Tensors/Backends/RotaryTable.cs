namespace ChatGLM.Tensors;

/// <summary>Rotary position embedding (Su et al. 2021) of the leading <c>Sections * RotaryDim</c> elements of each head; the rest passes unchanged.</summary>
/// <param name="Cos">Cosines, float32 [positions, RotaryDim / 2].</param>
/// <param name="Sin">Sines, float32 [positions, RotaryDim / 2].</param>
/// <param name="Style">Which elements form a pair.</param>
/// <param name="Sections">Equal parts of the head that are rotated by position rows of their own: 2 for ChatGLM-6B's two-dimensional positions, else 1.</param>
public sealed record RotaryTable(Tensor Cos, Tensor Sin, RotaryStyle Style, int Sections)
{
    /// <summary>The elements of one section.</summary>
    public int RotaryDim => 2 * Cos.Shape[1];

    /// <summary>How many positions the table covers; a larger one is refused.</summary>
    public int Positions => Cos.Shape[0];
}

/// <summary>Which elements of a section form a rotated pair.</summary>
public enum RotaryStyle
{
    /// <summary>Element i with i + RotaryDim / 2: ChatGLM-6B (<c>rotate_half</c>).</summary>
    HalfSplit,

    /// <summary>Element 2i with 2i + 1: ChatGLM2-6B and ChatGLM3-6B.</summary>
    Interleaved,
}
