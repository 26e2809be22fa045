using ChatGLM.Tensors;

namespace ChatGLM.Peft.Oft;

/// <summary>
/// Rotations from any matrices D: Q = (I - S) (I + S)^-1 with S = (D - D^T) / 2 (Cayley 1846). With P = (I + S)^-1 that is Q = 2 P - I, and the gradient of S is -2 P^T dQ P^T.
/// </summary>
internal static class Cayley
{
    /// <summary>Below this side the inverse is found directly.</summary>
    private const int Direct = 32;

    /// <param name="matrices">float32 [count, side, side].</param>
    /// <returns>float32 [count, side, side].</returns>
    public static Tensor Rotation(Tensor matrices)
    {
        using var scope = new TensorScope();
        var backend = matrices.Backend;
        var identity = Identity(matrices.Shape[^1], backend);
        Tensor inverse;
        using (GradMode.NoGrad())
            inverse = Inverse(backend.Add(Skew(matrices), identity));
        var rotation = backend.Add(backend.Affine(inverse, 2, 0), identity, -1);
        return scope.Keep(GradFunction.Records(matrices) ? new CayleyFunction(matrices, inverse).Attach(rotation) : rotation);
    }

    /// <summary>The inverses of matrices whose symmetric part is positive, such as I + S: halves are inverted and joined by the Schur complement, which keeps that property, so that no
    /// pivots are needed and nearly all the work is matrix products.</summary>
    /// <param name="m">float32 [count, side, side].</param>
    internal static Tensor Inverse(Tensor m)
    {
        var (backend, side) = (m.Backend, m.Shape[^1]);
        if (side <= Direct)
            return InvertDirectly(m);
        var half = side / 2;
        var a = Inverse(Part(0, half, 0, half));
        var (b, c) = (Part(0, half, half, side - half), Part(half, side - half, 0, half));
        var ab = backend.MatMul(a, b);
        var corner = Inverse(backend.Add(Part(half, side - half, half, side - half), backend.MatMul(c, ab), -1));
        var right = backend.Affine(backend.MatMul(ab, corner), -1, 0);
        var ca = backend.MatMul(c, a);
        var top = backend.Concat([backend.Add(a, backend.MatMul(right, ca), -1), right], 2);
        return backend.Concat([top, backend.Concat([backend.Affine(backend.MatMul(corner, ca), -1, 0), corner], 2)], 1);

        Tensor Part(int row, int rows, int column, int columns) => backend.Slice(backend.Slice(m, 1, row, rows), 2, column, columns);
    }

    private static Tensor Skew(Tensor matrices)
    {
        var backend = matrices.Backend;
        return backend.Affine(backend.Add(matrices, backend.Permute(matrices, [0, 2, 1]), -1), 0.5f, 0);
    }

    private static Tensor Identity(int side, Backend backend)
    {
        var values = new float[side * side];
        for (var i = 0; i < side; i++)
            values[(i * side) + i] = 1;
        return Tensor.From(values, [side, side], backend);
    }

    /// <summary>Gauss and Jordan, in double.</summary>
    private static Tensor InvertDirectly(Tensor m)
    {
        var side = m.Shape[^1];
        var values = m.ToArray<float>();
        Span<double> work = stackalloc double[side * side];
        for (var start = 0; start < values.Length; start += work.Length)
        {
            for (var i = 0; i < work.Length; i++)
                work[i] = values[start + i];
            Invert(work, side);
            for (var i = 0; i < work.Length; i++)
                values[start + i] = (float)work[i];
        }

        return Tensor.From(values, m.Shape, m.Backend);
    }

    private static void Invert(Span<double> m, int side)
    {
        for (var pivot = 0; pivot < side; pivot++)
        {
            var row = m.Slice(pivot * side, side);
            var inverse = 1 / row[pivot];
            row[pivot] = 1;
            foreach (ref var value in row)
                value *= inverse;
            for (var other = 0; other < side; other++)
            {
                if (other == pivot)
                    continue;
                var target = m.Slice(other * side, side);
                var factor = target[pivot];
                target[pivot] = 0;
                for (var column = 0; column < side; column++)
                    target[column] -= factor * row[column];
            }
        }
    }

    private sealed class CayleyFunction : GradFunction
    {
        private readonly Tensor _inverse;

        public CayleyFunction(Tensor matrices, Tensor inverse)
            : base(matrices) => _inverse = Save(inverse);

        protected override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var backend = _inverse.Backend;
            var skew = backend.Affine(backend.MatMul(backend.MatMul(_inverse, gradOutputs[0]!, transposeA: true), _inverse, transposeB: true), -2, 0);
            sink.Add(0, Skew(skew));
        }
    }
}
