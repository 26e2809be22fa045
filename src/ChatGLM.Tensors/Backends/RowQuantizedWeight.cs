namespace ChatGLM.Tensors;

/// <summary>
/// A frozen weight of 8 or 4 bits per element with one scale per output row: what the published quantized ChatGLM snapshots hold. An element is its integer times the scale of its row.
/// </summary>
public sealed class RowQuantizedWeight : LinearWeight
{
    /// <summary>Wraps tensors that exist.</summary>
    /// <param name="weight">int8 [out, in] for 8 bits; int8 [out, in / 2] for 4 bits: a byte holds two columns, the even one in its high half, both signed.</param>
    /// <param name="scale">[out], float32, float16 or bfloat16.</param>
    /// <param name="bits">8 or 4.</param>
    /// <exception cref="TensorException">Bits, shapes or element types do not fit.</exception>
    public RowQuantizedWeight(Tensor weight, Tensor scale, int bits)
        : base(RequireMatrix(weight, bits)[0], checked(weight.Shape[1] * (8 / bits)))
    {
        if (scale.Shape != new Shape(OutFeatures) || scale.DType is not (DType.Float32 or DType.Float16 or DType.BFloat16))
            throw new TensorException(nameof(RowQuantizedWeight), $"scale: expected [{OutFeatures}] of float32, float16 or bfloat16, one for each row of the weight {weight.Shape}, found {scale.Shape} {scale.DType.TorchName()}.");
        Require.SameBackend(nameof(RowQuantizedWeight), weight, scale);
        Weight = weight;
        Scale = scale;
        Bits = bits;
    }

    /// <summary>The integers, int8 [out, in * bits / 8].</summary>
    public Tensor Weight { get; }

    /// <summary>What a row's integers are multiplied by, [out].</summary>
    public Tensor Scale { get; }

    /// <summary>Bits per element: 8 or 4.</summary>
    public int Bits { get; }

    /// <inheritdoc/>
    public override IEnumerable<(string Name, Tensor Tensor)> Tensors => [("weight", Weight), ("weight_scale", Scale)];

    /// <inheritdoc/>
    public override Backend Backend => Weight.Backend;

    private static Shape RequireMatrix(Tensor weight, int bits)
    {
        if (bits is not (8 or 4))
            throw new TensorException(nameof(RowQuantizedWeight), $"bits: expected 8 or 4, found {bits}.");
        return weight.Shape.Rank == 2 && weight.DType == DType.Int8
            ? weight.Shape
            : throw new TensorException(nameof(RowQuantizedWeight), $"weight: expected int8 [out, {(bits == 8 ? "in" : "in / 2")}], found {weight.DType.TorchName()} {weight.Shape}.");
    }
}
