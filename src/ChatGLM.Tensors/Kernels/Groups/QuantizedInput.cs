namespace ChatGLM.Tensors.Kernels;

/// <summary>
/// Rows of activations in 8 bits, with a scale for each group of columns: what a group-quantized weight is multiplied with. It lives in scratch memory for one product.
/// </summary>
internal readonly unsafe struct QuantizedInput
{
    // Rows a power of two apart would all want the same few lines of the cache: five lines more than a row needs spread them.
    private const int RowGapBytes = 5 * 64;

    /// <summary>Lays the parts out in scratch memory.</summary>
    /// <param name="memory">As many bytes as <see cref="ByteLength"/> says, aligned to 64.</param>
    /// <param name="rows">Rows of activations.</param>
    /// <param name="groups">Groups in a row.</param>
    /// <param name="groupSize">Columns in a group.</param>
    /// <param name="isWide">Whether a number takes 16 bits; see <see cref="IGroupSimd{TInt, TFloat}.HasWideQuads"/>.</param>
    public QuantizedInput(void* memory, int rows, int groups, int groupSize, bool isWide)
    {
        Quads = (byte*)memory;
        GroupBytes = groupSize * (isWide ? 2 : 1);
        RowBytes = (GroupBytes * groups) + RowGapBytes;
        Groups = groups;
        IsWide = isWide;
        Scales = (float*)(Quads + (RowBytes * rows));
        Sums = Scales + ((nint)rows * groups);
        Starts = (int*)(Sums + ((nint)rows * groups));
    }

    /// <summary>Quads of numbers, row by row, zeros up to a whole group.</summary>
    public byte* Quads { get; }

    /// <summary>Bytes from one row to the next.</summary>
    public nint RowBytes { get; }

    /// <summary>Bytes of a group of a row.</summary>
    public nint GroupBytes { get; }

    /// <summary>Groups in a row.</summary>
    public int Groups { get; }

    /// <summary>Whether a number takes 16 bits.</summary>
    public bool IsWide { get; }

    /// <summary>[rows, groups]: what the numbers are multiplied by. NaN where an activation is not finite, so that the result is not either.</summary>
    public float* Scales { get; }

    /// <summary>[rows, groups]: the sum of the activations as rounded, which a minimum is multiplied by.</summary>
    public float* Sums { get; }

    /// <summary>[rows, groups]: what the integer sum begins with, so that the offset of the stored numbers falls out.</summary>
    public int* Starts { get; }

    /// <summary>The memory that the parts take.</summary>
    public static long ByteLength(int rows, int groups, int groupSize, bool isWide) => rows * (((long)groups * ((groupSize * (isWide ? 2 : 1)) + 12)) + RowGapBytes);
}
