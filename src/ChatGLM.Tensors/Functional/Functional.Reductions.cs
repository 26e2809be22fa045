namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>The sum of all elements, as a single number.</summary>
    /// <param name="x">float32, of any shape.</param>
    public static Tensor Sum(Tensor x)
    {
        Require.Float32(nameof(Sum), "x", x);
        var y = x.Backend.SumTo(x, Shape.Scalar);
        return GradFunction.Records(x) ? new SumFunction(x, 1).Attach(y) : y;
    }

    /// <summary>The mean of all elements, as a single number; NaN of none.</summary>
    /// <param name="x">float32, of any shape.</param>
    public static Tensor Mean(Tensor x)
    {
        Require.Float32(nameof(Mean), "x", x);
        using var sum = x.Backend.SumTo(x, Shape.Scalar);
        var scale = (float)(1.0 / x.ElementCount);
        var y = x.Backend.Affine(sum, scale, 0);
        return GradFunction.Records(x) ? new SumFunction(x, scale).Attach(y) : y;
    }

    /// <summary>Sums the innermost axis away.</summary>
    /// <param name="x">float32 [..., width].</param>
    /// <returns>float32 [...].</returns>
    public static Tensor SumLast(Tensor x)
    {
        Require.Float32(nameof(SumLast), "x", x);
        if (x.Shape.Rank == 0)
            throw new TensorException(nameof(SumLast), "x: expected [..., width], found a single number.");
        var y = x.Backend.SumLast(x);
        return GradFunction.Records(x) ? new SumLastFunction(x).Attach(y) : y;
    }

    private sealed class SumFunction(Tensor x, float scale) : GradFunction(x)
    {
        private readonly Shape _shape = x.Shape;

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            // The single number goes to every element without being read back from where it lies.
            var dy = gradOutputs[0]!;
            sink.Add(0, dy.Backend.Add(Tensor.Zeros(_shape, DType.Float32, dy.Backend), dy, scale));
        }
    }

    private sealed class SumLastFunction(Tensor x) : GradFunction(x)
    {
        private readonly Shape _shape = x.Shape;

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            // Repeating along the innermost axis is an outer product with ones.
            var dy = gradOutputs[0]!;
            var width = _shape[^1];
            var column = dy.View([checked((int)dy.ElementCount), 1], 0);
            var dx = dy.Backend.MatMul(column, Tensor.Full([1, width], 1, DType.Float32, dy.Backend));
            sink.Add(0, dx.View(_shape, 0));
        }
    }
}
