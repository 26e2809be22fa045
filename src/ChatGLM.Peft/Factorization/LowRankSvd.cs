using System.Numerics.Tensors;

namespace ChatGLM.Peft.Factorization;

/// <summary>
/// The singular values of a product P Q whose inner width is small, without making the product: P = Qp Rp and Q^T = Qq Rq leave only the small Rp Rq^T to decompose.
/// For the change of an adapter of a 4096 x 4608 layer this takes milliseconds instead of minutes. In double throughout.
/// </summary>
internal static class LowRankSvd
{
    private const int MaxSweeps = 60;

    /// <param name="columns">The columns of P, [inner] vectors of [rows]; used up.</param>
    /// <param name="rows">The rows of Q, [inner] vectors of [columns]; used up.</param>
    /// <returns>As many values as the inner width.</returns>
    public static SingularValues Decompose(double[][] columns, double[][] rows)
    {
        var inner = columns.Length;
        var left = Orthogonal.Orthonormalize(columns);
        var right = Orthogonal.Orthonormalize(rows);
        // Column j of Rp Rq^T.
        var core = new double[inner][];
        for (var j = 0; j < inner; j++)
        {
            core[j] = new double[inner];
            for (var i = 0; i < inner; i++)
                core[j][i] = TensorPrimitives.Dot<double>(left[i], right[j]);
        }

        var turned = Turn(core);
        var values = core.Select(column => TensorPrimitives.Norm<double>(column)).ToArray();
        var order = Enumerable.Range(0, inner).OrderByDescending(k => values[k]).ToArray();
        return new SingularValues(
            [.. order.Select(k => Combine(columns, core[k], values[k] == 0 ? 0 : 1 / values[k]))],
            [.. order.Select(k => values[k])],
            [.. order.Select(k => Combine(rows, turned[k], 1))]);
    }

    /// <summary>One-sided Jacobi: turns the columns of a matrix, two at a time, until all are at right angles.</summary>
    /// <returns>The columns of the rotation V with M V = what the columns are now.</returns>
    private static double[][] Turn(double[][] columns)
    {
        var turned = new double[columns.Length][];
        for (var i = 0; i < columns.Length; i++)
        {
            turned[i] = new double[columns.Length];
            turned[i][i] = 1;
        }

        for (var sweep = 0; sweep < MaxSweeps; sweep++)
        {
            var changed = false;
            for (var i = 0; i < columns.Length - 1; i++)
            {
                for (var j = i + 1; j < columns.Length; j++)
                {
                    var (a, b) = (TensorPrimitives.SumOfSquares<double>(columns[i]), TensorPrimitives.SumOfSquares<double>(columns[j]));
                    var dot = TensorPrimitives.Dot<double>(columns[i], columns[j]);
                    if (Math.Abs(dot) <= 1e-15 * Math.Sqrt(a * b))
                        continue;
                    changed = true;
                    var zeta = (b - a) / (2 * dot);
                    var tangent = (zeta >= 0 ? 1 : -1) / (Math.Abs(zeta) + Math.Sqrt(1 + (zeta * zeta)));
                    var cosine = 1 / Math.Sqrt(1 + (tangent * tangent));
                    Turn(columns[i], columns[j], cosine, cosine * tangent);
                    Turn(turned[i], turned[j], cosine, cosine * tangent);
                }
            }

            if (!changed)
                break;
        }

        return turned;
    }

    private static void Turn(double[] x, double[] y, double cosine, double sine)
    {
        for (var row = 0; row < x.Length; row++)
            (x[row], y[row]) = ((cosine * x[row]) - (sine * y[row]), (sine * x[row]) + (cosine * y[row]));
    }

    private static double[] Combine(double[][] vectors, double[] weights, double scale)
    {
        var sum = new double[vectors[0].Length];
        for (var k = 0; k < vectors.Length; k++)
            TensorPrimitives.MultiplyAdd(vectors[k], weights[k] * scale, sum, sum);
        return sum;
    }
}
