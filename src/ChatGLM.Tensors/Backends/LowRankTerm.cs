namespace ChatGLM.Tensors;

/// <summary>A change of a matrix [rows, columns] that is the product of two thin ones.</summary>
/// <param name="Left">float32 [rows, rank].</param>
/// <param name="Right">float32 [rank, columns].</param>
/// <param name="Scale">What the product is multiplied by.</param>
public readonly record struct LowRankTerm(Tensor Left, Tensor Right, float Scale);
