namespace ChatGLM.Tensors.Kernels;

/// <summary>A quantized right operand of a matrix product: row-major, a float32 scale per stored row.</summary>
/// <param name="data">The first byte.</param>
/// <param name="scales">One for each stored row.</param>
/// <param name="bits">8 or 4.</param>
/// <param name="isTransposed">Whether it is stored as [columns, depth] instead of [depth, columns].</param>
internal readonly unsafe struct QuantizedOperand(byte* data, float* scales, int bits, bool isTransposed)
{
    public byte* Data { get; } = data;

    public float* Scales { get; } = scales;

    public int Bits { get; } = bits;

    public bool IsTransposed { get; } = isTransposed;
}
