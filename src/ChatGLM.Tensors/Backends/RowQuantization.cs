namespace ChatGLM.Tensors;

/// <summary>How a dense matrix becomes a <see cref="RowQuantizedWeight"/>: a row's scale is its largest magnitude over 2^(bits - 1) - 1, its integers are the elements over the scale, rounded half to even.</summary>
/// <param name="Bits">8 or 4.</param>
/// <param name="ScaleType">What the scales are stored as: float32, float16 or bfloat16.</param>
/// <param name="DividesByStoredScale">Whether elements are divided by the scale as it is stored, or by the one before it was rounded. The two published quantizers differ in this.</param>
public readonly record struct RowQuantization(int Bits, DType ScaleType, bool DividesByStoredScale);
