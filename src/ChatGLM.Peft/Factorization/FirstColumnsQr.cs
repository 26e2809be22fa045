using System.Numerics.Tensors;

namespace ChatGLM.Peft.Factorization;

/// <summary>The first columns of Q and rows of R of a matrix M = Q R, with the signs of LAPACK (<c>torch.linalg.qr</c>): only as many columns of M are worked on.</summary>
internal static class FirstColumnsQr
{
    /// <param name="values">[rows, columns], row by row.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="columns">The number of columns.</param>
    /// <param name="count">How many, at most the smaller of the two.</param>
    /// <returns>Vectors [rows] of Q and [columns] of R.</returns>
    public static (double[][] Q, double[][] R) Decompose(float[] values, int rows, int columns, int count)
    {
        var reflectors = new double[count][];
        var factors = new double[count];
        var vectors = new double[count][];
        for (var j = 0; j < count; j++)
        {
            vectors[j] = new double[rows];
            for (var row = 0; row < rows; row++)
                vectors[j][row] = values[((long)row * columns) + j];
        }

        // Householder's reflections H = I - tau v v^T, v[j] = 1, which bring column j to (beta, 0, ...) with beta of the other sign than its first value.
        for (var j = 0; j < count; j++)
        {
            var column = vectors[j].AsSpan(j);
            var (first, rest) = (column[0], TensorPrimitives.SumOfSquares<double>(column[1..]));
            var v = reflectors[j] = column.ToArray();
            if (rest == 0)
            {
                // Nothing below: LAPACK leaves such a column as it is.
                Array.Clear(v);
                continue;
            }

            var beta = -Math.CopySign(Math.Sqrt((first * first) + rest), first);
            factors[j] = (beta - first) / beta;
            TensorPrimitives.Divide(v, first - beta, v);
            v[0] = 1;
            for (var k = j; k < count; k++)
                Reflect(v, factors[j], vectors[k].AsSpan(j));
        }

        var q = new double[count][];
        for (var j = 0; j < count; j++)
        {
            q[j] = new double[rows];
            q[j][j] = 1;
            for (var k = j; k >= 0; k--)
                Reflect(reflectors[k], factors[k], q[j].AsSpan(k));
        }

        return (q, new DenseMatrix(values, rows, columns).TransposedTimes(q));
    }

    private static void Reflect(double[] v, double factor, Span<double> x)
    {
        if (factor != 0)
            TensorPrimitives.MultiplyAdd(v, -factor * TensorPrimitives.Dot<double>(v, x), x, x);
    }
}
