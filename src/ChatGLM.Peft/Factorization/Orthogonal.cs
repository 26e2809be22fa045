using System.Numerics.Tensors;

namespace ChatGLM.Peft.Factorization;

/// <summary>Vectors at right angles to each other, of length 1.</summary>
internal static class Orthogonal
{
    /// <summary>What is left of a vector that depends on others is rounding: a vector that shrinks this much is one.</summary>
    private const double Dependent = 1e-13;

    /// <summary>Gram-Schmidt, done twice for right angles to rounding. A vector that depends on those before it becomes zeros.</summary>
    /// <param name="vectors">The vectors; they are changed in place.</param>
    /// <returns>The factor R, upper triangular: vector j of before is the sum of R[i][j] times vector i of after.</returns>
    public static double[][] Orthonormalize(double[][] vectors)
    {
        var factor = new double[vectors.Length][];
        for (var j = 0; j < vectors.Length; j++)
            factor[j] = new double[vectors.Length];
        for (var j = 0; j < vectors.Length; j++)
        {
            var before = TensorPrimitives.Norm<double>(vectors[j]);
            for (var pass = 0; pass < 2; pass++)
            {
                for (var i = 0; i < j; i++)
                    factor[i][j] += Remove(vectors[j], vectors[i]);
            }

            factor[j][j] = Normalize(vectors[j], before);
        }

        return factor;
    }

    /// <summary>Adds vectors to an orthonormal basis, each without its part in what is there already; those that bring nothing new are left out.</summary>
    /// <returns>The vectors that were added.</returns>
    public static double[][] Extend(List<double[]> basis, IEnumerable<double[]> vectors)
    {
        var start = basis.Count;
        foreach (var vector in vectors)
        {
            var before = TensorPrimitives.Norm<double>(vector);
            for (var pass = 0; pass < 2; pass++)
            {
                foreach (var other in basis)
                    Remove(vector, other);
            }

            if (Normalize(vector, before) > 0)
                basis.Add(vector);
        }

        return [.. basis.Skip(start)];
    }

    private static double Remove(double[] vector, double[] direction)
    {
        var part = TensorPrimitives.Dot<double>(direction, vector);
        TensorPrimitives.MultiplyAdd(direction, -part, vector, vector);
        return part;
    }

    private static double Normalize(double[] vector, double before)
    {
        var length = TensorPrimitives.Norm<double>(vector);
        if (length <= before * Dependent)
        {
            Array.Clear(vector);
            return 0;
        }

        TensorPrimitives.Divide(vector, length, vector);
        return length;
    }
}
