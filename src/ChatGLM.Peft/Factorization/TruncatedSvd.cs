using System.Numerics.Tensors;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Factorization;

/// <summary>The largest singular values of a matrix, without the others.</summary>
internal static class TruncatedSvd
{
    /// <summary>The part of the largest value by which a vector may miss being a singular one.</summary>
    private const double Tolerance = 1e-10;

    /// <summary>More vectors at once than are wanted: values that lie close together are then told apart sooner.</summary>
    private const int Spare = 8;

    /// <summary>
    /// The largest singular values to rounding in float32, by block Lanczos with full orthogonalisation (Golub, Luk and Overton 1981) from a fixed start: the space of (M^T M)^j X grows until the
    /// values found in it no longer change. For a 4608 x 4096 matrix and rank 8 a few hundred vectors do, where a whole decomposition needs 4096.
    /// </summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="count">How many, at least 1; values beyond the matrix's rank are zero.</param>
    public static SingularValues Largest(DenseMatrix matrix, int count)
    {
        var block = Math.Min(count + Spare, Math.Min(matrix.Rows, matrix.Columns));
        // From here on the space holds all rows of the matrix, so what is found is exact.
        var most = Math.Min((long)matrix.Columns, (long)matrix.Rows + block);
        var basis = new List<double[]>();
        var images = new List<double[]>();
        var added = Orthogonal.Extend(basis, Normal(block, matrix.Columns, new TorchGenerator(0)));
        for (var test = 3 * block; ; test += test / 2)
        {
            while (added.Length > 0)
            {
                var image = matrix.Times(added);
                images.AddRange(image);
                if (basis.Count >= Math.Min(test, matrix.Columns))
                    break;
                added = Orthogonal.Extend(basis, matrix.TransposedTimes(image));
            }

            var found = LowRankSvd.Decompose(Copy(images), Copy(basis)).Take(count);
            if (added.Length == 0 || basis.Count >= most || Misses(matrix, found) <= Tolerance * found.Values[0])
                return found;
            added = Orthogonal.Extend(basis, matrix.TransposedTimes([.. images.TakeLast(added.Length)]));
        }
    }

    /// <summary>Singular values by a few power iterations from random vectors, with the draws of <c>torch.svd_lowrank(matrix, q, niter)</c> (Halko, Martinsson and Tropp 2009).</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="count">How many (q).</param>
    /// <param name="iterations">How many iterations (niter).</param>
    /// <param name="generator">Where the vectors are drawn from.</param>
    public static SingularValues Randomized(DenseMatrix matrix, int count, int iterations, TorchGenerator generator)
    {
        // torch works on the transpose, but where the matrix is tall and all of its values are wanted.
        var transposes = matrix.Rows < matrix.Columns || matrix.Columns > count;
        Func<double[][], double[][]> forward = transposes ? matrix.TransposedTimes : matrix.Times;
        Func<double[][], double[][]> back = transposes ? matrix.Times : matrix.TransposedTimes;
        var basis = forward(Drawn(transposes ? matrix.Rows : matrix.Columns, count, generator));
        Orthogonal.Orthonormalize(basis);
        for (var i = 0; i < iterations; i++)
        {
            var other = back(basis);
            Orthogonal.Orthonormalize(other);
            basis = forward(other);
            Orthogonal.Orthonormalize(basis);
        }

        return transposes ? LowRankSvd.Decompose(matrix.Times(basis), basis) : LowRankSvd.Decompose(basis, matrix.TransposedTimes(basis));
    }

    /// <summary>The largest distance of M^T u from value times v. (M v is value times u by construction.)</summary>
    private static double Misses(DenseMatrix matrix, SingularValues found)
    {
        var back = matrix.TransposedTimes(found.Left);
        for (var k = 0; k < back.Length; k++)
            TensorPrimitives.MultiplyAdd(found.Right[k], -found.Values[k], back[k], back[k]);
        return back.Max(vector => TensorPrimitives.Norm<double>(vector));
    }

    private static double[][] Normal(int count, int length, TorchGenerator generator)
    {
        var vectors = new double[count][];
        for (var k = 0; k < count; k++)
            generator.Normal(vectors[k] = new double[length]);
        return vectors;
    }

    /// <summary>The columns of <c>torch.randn(length, count)</c>.</summary>
    private static double[][] Drawn(int length, int count, TorchGenerator generator)
    {
        var values = new float[(long)length * count];
        generator.Normal(values);
        return [.. Enumerable.Range(0, count).Select(k => Enumerable.Range(0, length).Select(i => (double)values[(i * count) + k]).ToArray())];
    }

    private static double[][] Copy(List<double[]> vectors) => [.. vectors.Select(v => (double[])v.Clone())];
}
