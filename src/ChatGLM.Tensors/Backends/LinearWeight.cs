namespace ChatGLM.Tensors;

/// <summary>The weight of a linear layer, [out, in], in some format. A backend has a kernel for every format, forward and backward to the input.</summary>
public abstract class LinearWeight
{
    private protected LinearWeight(int outFeatures, int inFeatures)
    {
        OutFeatures = outFeatures;
        InFeatures = inFeatures;
    }

    /// <summary>Rows: the width of the result.</summary>
    public int OutFeatures { get; }

    /// <summary>Columns: the width of the input.</summary>
    public int InFeatures { get; }

    /// <summary>The tensors of the weight under their state-dict suffixes, such as <c>weight</c> or <c>weight_scale</c>.</summary>
    public abstract IEnumerable<(string Name, Tensor Tensor)> Tensors { get; }

    /// <summary>The backend that the tensors lie on.</summary>
    public abstract Backend Backend { get; }
}

/// <summary>A weight as one float32, float16 or bfloat16 tensor. The only format that can be trained itself.</summary>
public sealed class DenseWeight : LinearWeight
{
    /// <summary>Wraps a tensor [out, in].</summary>
    /// <exception cref="TensorException">It is not a matrix of floating-point numbers.</exception>
    public DenseWeight(Tensor tensor)
        : base(RequireMatrix(tensor)[0], tensor.Shape[1]) => Tensor = tensor;

    /// <summary>The matrix, [out, in].</summary>
    public Tensor Tensor { get; }

    /// <inheritdoc/>
    public override IEnumerable<(string Name, Tensor Tensor)> Tensors => [("weight", Tensor)];

    /// <inheritdoc/>
    public override Backend Backend => Tensor.Backend;

    private static Shape RequireMatrix(Tensor tensor) => tensor.Shape.Rank == 2 && tensor.DType.IsFloatingPoint()
        ? tensor.Shape
        : throw new TensorException(nameof(DenseWeight), $"expected a floating-point matrix [out, in], found {tensor.Shape} {tensor.DType}.");
}
