namespace ChatGLM.Tensors;

/// <summary>
/// A frozen weight in one of the block formats of llama.cpp, as a GGUF file holds it: row after row, each a run of blocks, used where the file is mapped. Numbers in a block are little-endian.
/// <list type="bullet">
/// <item>Q4_0, 18 bytes for 32 columns: half d, then 16 bytes, whose low halves are columns 0 to 15 and whose high halves are columns 16 to 31. Element: (n - 8) d. Q4_1, 20 bytes: half d, half m, the same 16
/// bytes; n d + m.</item>
/// <item>Q5_0, 22 bytes: half d, a 32-bit word whose bit i is the fifth bit of column i, 16 bytes as in Q4_0; (n - 16) d. Q5_1, 24 bytes: half d, half m, the word, the 16 bytes; n d + m.</item>
/// <item>Q8_0, 34 bytes: half d, then 32 signed bytes; n d.</item>
/// <item>Q4_K, 144 bytes for 256 columns in 8 groups of 32: half d, half e, 12 bytes that hold 8 scales s and 8 minimums t of 6 bits, then 32 bytes for every two groups, low halves the first, high halves the second.
/// Element: n (d s) - (e t). Of the 12 bytes, the lower 6 bits of 0 to 3 are s of groups 0 to 3 and of 4 to 7 t of groups 0 to 3; bytes 8 to 11 hold the lower 4 bits of s (low half) and t (high half) of groups 4
/// to 7, whose upper 2 bits are the upper ones of bytes 0 to 3 and 4 to 7. Q5_K, 176 bytes: 32 bytes before the last 128, in which bit g of byte i is the fifth bit of column i of group g.</item>
/// <item>Q6_K, 210 bytes for 256 columns: 128 bytes of lower 4 bits, 64 of upper 2 bits, 16 signed bytes s, each the scale of 16 columns, half d. Each half of 128 columns has 64 of the first: groups 0 and 1 in their low
/// halves, groups 2 and 3 in their high halves; and 32 of the second, in which bits 2g and 2g + 1 of byte i belong to column i of group g. Element: (n - 32) (d s).</item>
/// </list>
/// </summary>
public sealed class BlockQuantizedWeight : LinearWeight
{
    /// <summary>Wraps a tensor that exists.</summary>
    /// <param name="data">The rows, uint8 [out, bytes of a row].</param>
    /// <param name="inFeatures">The columns; whole blocks of the format.</param>
    /// <param name="format">The format of the blocks.</param>
    /// <exception cref="TensorException">Shape or element type do not fit.</exception>
    public BlockQuantizedWeight(Tensor data, int inFeatures, BlockFormat format)
        : base(RequireRows(data, inFeatures, format), inFeatures)
    {
        Data = data;
        Format = format;
    }

    /// <summary>The rows, uint8 [out, bytes of a row].</summary>
    public Tensor Data { get; }

    /// <summary>The format of the blocks.</summary>
    public BlockFormat Format { get; }

    /// <inheritdoc/>
    public override IEnumerable<(string Name, Tensor Tensor)> Tensors => [("weight", Data)];

    /// <inheritdoc/>
    public override Backend Backend => Data.Backend;

    /// <summary>How many columns a block of a format holds, and in how many bytes.</summary>
    public static (int Columns, int Bytes) BlockOf(BlockFormat format) => format switch
    {
        BlockFormat.Q4_0 => (32, 18),
        BlockFormat.Q4_1 => (32, 20),
        BlockFormat.Q5_0 => (32, 22),
        BlockFormat.Q5_1 => (32, 24),
        BlockFormat.Q8_0 => (32, 34),
        BlockFormat.Q4_K => (256, 144),
        BlockFormat.Q5_K => (256, 176),
        BlockFormat.Q6_K => (256, 210),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Not a block format."),
    };

    /// <summary>The bytes of a row of so many columns.</summary>
    /// <param name="inFeatures">The columns.</param>
    /// <param name="format">The format of the blocks.</param>
    /// <exception cref="TensorException">They are not whole blocks.</exception>
    public static int RowBytes(int inFeatures, BlockFormat format)
    {
        var (columns, bytes) = BlockOf(format);
        if (inFeatures <= 0 || inFeatures % columns != 0)
            throw new TensorException(nameof(BlockQuantizedWeight), $"{inFeatures} columns: {format} needs a multiple of {columns}.");
        return checked(inFeatures / columns * bytes);
    }

    /// <summary>Some rows of the weight, copied.</summary>
    /// <param name="rows">Which, in which order, with repetition.</param>
    public BlockQuantizedWeight SelectRows(ReadOnlySpan<int> rows) => new(Backend.SelectRows(Data, rows), InFeatures, Format);

    private static int RequireRows(Tensor data, int inFeatures, BlockFormat format)
    {
        var bytes = RowBytes(inFeatures, format);
        return data.DType == DType.UInt8 && data.Shape.Rank == 2 && data.Shape[1] == bytes
            ? data.Shape[0]
            : throw new TensorException(nameof(BlockQuantizedWeight), $"data: expected uint8 [out, {bytes}] for {inFeatures} columns of {format}, found {data.DType.TorchName()} {data.Shape}.");
    }
}
