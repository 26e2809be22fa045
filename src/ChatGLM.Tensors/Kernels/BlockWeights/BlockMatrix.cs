namespace ChatGLM.Tensors.Kernels;

/// <summary>The memory of a <see cref="BlockQuantizedWeight"/>, whose documentation has the layout.</summary>
internal readonly unsafe struct BlockMatrix
{
    /// <summary>Columns of a group.</summary>
    public const int GroupColumns = 32;

    /// <summary>Groups of a chunk.</summary>
    public const int ChunkGroups = 8;

    public BlockMatrix(BlockQuantizedWeight weight)
    {
        Data = weight.Data.Pointer<byte>();
        Outputs = weight.OutFeatures;
        Inputs = weight.InFeatures;
        Format = weight.Format;
        RowBytes = weight.Data.Shape[1];
    }

    public byte* Data { get; }

    public int Outputs { get; }

    public int Inputs { get; }

    public BlockFormat Format { get; }

    public nint RowBytes { get; }

    /// <summary>Groups of a row.</summary>
    public int Groups => Inputs / GroupColumns;

    /// <summary>The first byte of a row.</summary>
    public byte* Row(int row) => Data + (row * RowBytes);
}
