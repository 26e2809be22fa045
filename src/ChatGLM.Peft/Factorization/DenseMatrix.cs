using System.Numerics.Tensors;

namespace ChatGLM.Peft.Factorization;

/// <summary>
/// A matrix of float32 values that is multiplied with a few vectors in double. Work is divided over the results, and each is summed in one order: the same bits for any number of threads.
/// </summary>
/// <param name="values">[rows, columns], row by row.</param>
/// <param name="rows">The number of rows.</param>
/// <param name="columns">The number of columns.</param>
internal sealed class DenseMatrix(float[] values, int rows, int columns)
{
    /// <summary>What one piece of work covers: enough to be worth a thread's while, and small enough to stay in its cache.</summary>
    private const int RowsPerPiece = 32;
    private const int ColumnsPerPiece = 512;

    public int Rows => rows;

    public int Columns => columns;

    /// <summary>M x for each vector x [columns]; results [rows].</summary>
    public double[][] Times(double[][] vectors)
    {
        var results = Vectors(vectors.Length, rows);
        Parallel.For(0, Pieces(rows, RowsPerPiece), piece =>
        {
            var wide = new double[columns];
            for (var row = piece * RowsPerPiece; row < Math.Min(rows, (piece + 1) * RowsPerPiece); row++)
            {
                TensorPrimitives.ConvertTruncating<float, double>(values.AsSpan((int)((long)row * columns), columns), wide);
                for (var k = 0; k < vectors.Length; k++)
                    results[k][row] = TensorPrimitives.Dot<double>(wide, vectors[k]);
            }
        });
        return results;
    }

    /// <summary>M^T y for each vector y [rows]; results [columns].</summary>
    public double[][] TransposedTimes(double[][] vectors)
    {
        var results = Vectors(vectors.Length, columns);
        Parallel.For(0, Pieces(columns, ColumnsPerPiece), piece =>
        {
            var start = piece * ColumnsPerPiece;
            var width = Math.Min(ColumnsPerPiece, columns - start);
            var wide = new double[width];
            for (var row = 0; row < rows; row++)
            {
                TensorPrimitives.ConvertTruncating<float, double>(values.AsSpan((int)(((long)row * columns) + start), width), wide);
                for (var k = 0; k < vectors.Length; k++)
                {
                    var result = results[k].AsSpan(start, width);
                    TensorPrimitives.MultiplyAdd(wide, vectors[k][row], result, result);
                }
            }
        });
        return results;
    }

    private static double[][] Vectors(int count, int length) => [.. Enumerable.Range(0, count).Select(_ => new double[length])];

    private static int Pieces(int length, int piece) => (length + piece - 1) / piece;
}
