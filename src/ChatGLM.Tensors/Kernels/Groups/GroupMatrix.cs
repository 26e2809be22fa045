namespace ChatGLM.Tensors.Kernels;

/// <summary>The memory of a <see cref="GroupQuantizedWeight"/>, whose documentation has the layout.</summary>
internal readonly unsafe struct GroupMatrix
{
    /// <summary>Rows that are interleaved.</summary>
    public const int BlockRows = GroupQuantizedWeight.RowsPerBlock;

    public GroupMatrix(GroupQuantizedWeight weight)
    {
        Data = weight.Weight.Pointer<byte>();
        Scales = weight.Scale.Pointer<ushort>();
        Minimums = weight.Minimum is null ? null : weight.Minimum.Pointer<ushort>();
        Outputs = weight.OutFeatures;
        Inputs = weight.InFeatures;
        Bits = weight.Format.Bits;
        GroupSize = weight.Format.GroupSize;
        Blocks = weight.Blocks;
        Groups = weight.Groups;
    }

    public byte* Data { get; }

    /// <summary>bfloat16, 16 for each group of each block.</summary>
    public ushort* Scales { get; }

    /// <summary>The same for minimums, or null.</summary>
    public ushort* Minimums { get; }

    public int Outputs { get; }

    public int Inputs { get; }

    public int Bits { get; }

    public int GroupSize { get; }

    public int Blocks { get; }

    public int Groups { get; }

    /// <summary>Bytes of one group of a block.</summary>
    public nint GroupBytes => BlockRows * GroupSize * Bits / 8;

    /// <summary>What an element of zero is stored as, in a symmetric weight.</summary>
    public int Offset => Minimums == null ? 1 << (Bits - 1) : 0;

    /// <summary>The first byte of a group of a block.</summary>
    public byte* Group(int block, int group) => Data + ((((nint)block * Groups) + group) * GroupBytes);

    /// <summary>Where the scales and minimums of a group of a block begin.</summary>
    public nint ScaleIndex(int block, int group) => (((nint)block * Groups) + group) * BlockRows;
}
