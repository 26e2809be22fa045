namespace ChatGLM.Tensors.Kernels;

/// <summary>The right operand of a matrix product as stored: row-major, contiguous.</summary>
/// <param name="data">The first element.</param>
/// <param name="dtype">A floating-point type.</param>
/// <param name="isTransposed">Whether it is stored as [columns, depth] instead of [depth, columns].</param>
internal readonly unsafe struct DenseOperand(byte* data, DType dtype, bool isTransposed)
{
    public byte* Data { get; } = data;

    public DType DType { get; } = dtype;

    public bool IsTransposed { get; } = isTransposed;
}
