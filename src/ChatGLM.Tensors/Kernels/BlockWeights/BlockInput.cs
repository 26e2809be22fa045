namespace ChatGLM.Tensors.Kernels;

/// <summary>Rows of activations rounded to 8 bits with a scale for every 32, in scratch memory. Groups are counted up to whole chunks; those that are missing have scales and sums of 0.</summary>
internal readonly unsafe struct BlockInput
{
    public BlockInput(void* scratch, int rows, int groups)
    {
        Groups = groups;
        Stride = Padded(groups);
        Numbers = (sbyte*)scratch;
        Starts = (int*)(Numbers + ((nint)rows * Stride * BlockMatrix.GroupColumns));
        Scales = (float*)(Starts + ((nint)rows * Stride * 8));
        Sums = Scales + ((nint)rows * Stride);
    }

    /// <summary>Groups of a row.</summary>
    public int Groups { get; }

    /// <summary>Groups from one row to the next.</summary>
    public int Stride { get; }

    /// <summary>32 for each group.</summary>
    public sbyte* Numbers { get; }

    /// <summary>For each four of them, their sum times the weight's offset, taken off.</summary>
    public int* Starts { get; }

    /// <summary>What a group's numbers are multiplied by.</summary>
    public float* Scales { get; }

    /// <summary>The sum of a group's numbers times its scale: what minimums are multiplied with.</summary>
    public float* Sums { get; }

    /// <summary>The scratch memory that this takes.</summary>
    public static long ByteLength(int rows, int groups) => (long)rows * Padded(groups) * (BlockMatrix.GroupColumns + (8 * sizeof(int)) + (2 * sizeof(float)));

    private static int Padded(int groups) => (groups + BlockMatrix.ChunkGroups - 1) / BlockMatrix.ChunkGroups * BlockMatrix.ChunkGroups;
}
