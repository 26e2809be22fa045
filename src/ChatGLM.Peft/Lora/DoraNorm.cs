using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lora;

/// <summary>
/// The lengths of the rows of W + s B A for DoRA, without making that matrix: |w + s d|² = |w|² + 2 s w·d + s² |d|², where the rows of W stay, w·d needs A W^T only
/// (rank x out) and |d|² needs A A^T only (rank x rank). So it works over every format of W and costs about as much as one more token.
/// </summary>
internal sealed class DoraNorm(LinearWeight weight)
{
    /// <summary>Rows of a weight that are unpacked at a time where its format has no dense form.</summary>
    private const int RowsPerChunk = 256;

    private readonly Tensor _squares = RowSquares(weight);

    public bool IsOf(LinearWeight other) => ReferenceEquals(other, weight);

    /// <summary>The lengths, [out]; not recorded.</summary>
    public Tensor Compute(LoraAdapter adapter)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var backend = weight.Backend;
        var (a, b, scaling) = (adapter.A, adapter.B, adapter.Scaling);
        var products = backend.Multiply(backend.Linear(a, weight, null), backend.Permute(b, [1, 0]));
        var cross = backend.SumTo(products, [weight.OutFeatures]);
        var square = backend.SumLast(backend.Multiply(backend.MatMul(b, backend.MatMul(a, a, false, true)), b));
        var sum = backend.Add(backend.Add(_squares, cross, 2 * scaling), square, scaling * scaling);
        // Rounding can leave the square of a row of zeros a little below 0.
        return scope.Keep(backend.Unary(UnaryOp.Sqrt, backend.Unary(UnaryOp.Relu, sum)));
    }

    /// <summary>Brings the rows of a matrix to given lengths; the matrix goes.</summary>
    public static Tensor ScaleRows(Tensor matrix, Tensor lengths)
    {
        var backend = matrix.Backend;
        var norm = backend.Unary(UnaryOp.Sqrt, backend.SumLast(backend.Unary(UnaryOp.Square, matrix)));
        var factor = backend.Divide(lengths, norm);
        // A factor for each row is one for each column of the transposed matrix.
        return backend.Permute(backend.Multiply(backend.Permute(matrix, [1, 0]), factor), [1, 0]);
    }

    private static Tensor RowSquares(LinearWeight weight)
    {
        using var outliving = TensorScope.Suspend();
        using var scope = new TensorScope();
        using var noGrad = GradMode.NoGrad();
        var backend = weight.Backend;
        if (weight is DenseWeight dense)
        {
            var wide = dense.Tensor.DType == DType.Float32 ? dense.Tensor : backend.Cast(dense.Tensor, DType.Float32);
            return scope.Keep(backend.SumLast(backend.Unary(UnaryOp.Square, wide)));
        }

        var parts = new List<Tensor>();
        for (var start = 0; start < weight.OutFeatures; start += RowsPerChunk)
        {
            // The backward pass of the layer, given a row of the identity, is a row of the weight, in whatever format it is stored.
            var rows = Math.Min(RowsPerChunk, weight.OutFeatures - start);
            var identity = new float[(long)rows * weight.OutFeatures];
            for (var row = 0; row < rows; row++)
                identity[((long)row * weight.OutFeatures) + start + row] = 1;
            using var chunk = new TensorScope();
            var values = backend.LinearBackwardInput(Tensor.From(identity, [rows, weight.OutFeatures], backend), weight);
            parts.Add(chunk.Keep(backend.SumLast(backend.Unary(UnaryOp.Square, values))));
        }

        return scope.Keep(backend.Concat(parts.ToArray(), 0));
    }
}
