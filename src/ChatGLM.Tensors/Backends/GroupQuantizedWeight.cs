namespace ChatGLM.Tensors;

/// <summary>
/// A frozen weight of 8 or 4 bits per element with one scale per group of 32, 64 or 128 columns of a row, stored as the fast kernels read it, so that a file of it is used where it lies.
/// <para>Sixteen rows are a block; outputs and inputs are filled up to whole blocks and groups. The block's columns come in groups, a group in quads of four columns at 8 bits or in octets of eight at 4;
/// a quad or octet is 16 little-endian 32-bit words, one for each row. At 8 bits byte i of the word is column i; at 4 bits its low half is column i and its high half column
/// i + 4. The stored number n is unsigned: the element is (n - 2^(bits - 1)) * scale, or n * scale + minimum where there is one.</para>
/// </summary>
public sealed class GroupQuantizedWeight : LinearWeight
{
    /// <summary>How many rows are interleaved.</summary>
    public const int RowsPerBlock = 16;

    /// <summary>Wraps tensors that exist.</summary>
    /// <param name="weight">uint8 [blocks, groups, 16 * group size * bits / 8].</param>
    /// <param name="scale">bfloat16 [blocks, groups, 16].</param>
    /// <param name="minimum">bfloat16 [blocks, groups, 16], or null for a symmetric weight.</param>
    /// <param name="outFeatures">The rows that count.</param>
    /// <param name="inFeatures">The columns that count.</param>
    /// <param name="format">Bits, group size, and whether there is a minimum.</param>
    /// <exception cref="TensorException">Shapes or element types do not fit.</exception>
    public GroupQuantizedWeight(Tensor weight, Tensor scale, Tensor? minimum, int outFeatures, int inFeatures, GroupQuantization format)
        : base(outFeatures, inFeatures)
    {
        format.Validate();
        RequireTensor("weight", weight, WeightShape(outFeatures, inFeatures, format), DType.UInt8);
        RequireTensor("scale", scale, ScaleShape(outFeatures, inFeatures, format), DType.BFloat16);
        if (format.HasMinimum != minimum is not null)
            throw new TensorException(nameof(GroupQuantizedWeight), $"minimum: {(format.HasMinimum ? "expected one for each group, found none" : "expected none for a symmetric weight, found one")}.");
        Require.SameBackend(nameof(GroupQuantizedWeight), weight, scale);
        if (minimum is not null)
        {
            RequireTensor("minimum", minimum, scale.Shape, DType.BFloat16);
            Require.SameBackend(nameof(GroupQuantizedWeight), weight, minimum);
        }

        Weight = weight;
        Scale = scale;
        Minimum = minimum;
        Format = format;
    }

    /// <summary>The packed numbers, uint8 [blocks, groups, 16 * group size * bits / 8].</summary>
    public Tensor Weight { get; }

    /// <summary>What a group's numbers are multiplied by, bfloat16 [blocks, groups, 16].</summary>
    public Tensor Scale { get; }

    /// <summary>What is added to them, bfloat16 [blocks, groups, 16]; null for a symmetric weight.</summary>
    public Tensor? Minimum { get; }

    /// <summary>Bits, group size, and whether there is a minimum.</summary>
    public GroupQuantization Format { get; }

    /// <summary>Groups in a row, the last one filled up.</summary>
    public int Groups => Scale.Shape[1];

    /// <summary>Blocks of rows, the last one filled up.</summary>
    public int Blocks => Scale.Shape[0];

    /// <inheritdoc/>
    public override IEnumerable<(string Name, Tensor Tensor)> Tensors =>
        Minimum is null ? [("weight", Weight), ("weight_scale", Scale)] : [("weight", Weight), ("weight_scale", Scale), ("weight_minimum", Minimum)];

    /// <inheritdoc/>
    public override Backend Backend => Weight.Backend;

    /// <summary>The shape of <see cref="Weight"/> for a matrix [out, in].</summary>
    public static Shape WeightShape(int outFeatures, int inFeatures, GroupQuantization format) =>
        [CountOf(outFeatures, RowsPerBlock), CountOf(inFeatures, format.GroupSize), RowsPerBlock * format.GroupSize * format.Bits / 8];

    /// <summary>The shape of <see cref="Scale"/> and <see cref="Minimum"/> for a matrix [out, in].</summary>
    public static Shape ScaleShape(int outFeatures, int inFeatures, GroupQuantization format) =>
        [CountOf(outFeatures, RowsPerBlock), CountOf(inFeatures, format.GroupSize), RowsPerBlock];

    private static int CountOf(int items, int size) => (int)(((long)items + size - 1) / size);

    private static void RequireTensor(string name, Tensor tensor, in Shape shape, DType dtype)
    {
        if (tensor.Shape != shape || tensor.DType != dtype)
            throw new TensorException(nameof(GroupQuantizedWeight), $"{name}: expected {dtype.TorchName()} {shape}, found {tensor.DType.TorchName()} {tensor.Shape}.");
    }
}
