namespace ChatGLM.Conformance.Tests.Infrastructure;

/// <summary>Finds the weights of a sum of given vectors that comes closest to another vector.</summary>
public static class LeastSquares
{
    /// <param name="vectors">What is summed; independent of each other.</param>
    /// <param name="target">What is to be met.</param>
    public static double[] Solve(IReadOnlyList<float[]> vectors, float[] target)
    {
        // The normal equations, solved by Cholesky's decomposition in double: some dozens of unknowns under thousands of values.
        var count = vectors.Count;
        var lower = new double[count, count];
        var solution = new double[count];
        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var sum = Dot(vectors[i], vectors[j]);
                for (var k = 0; k < j; k++)
                    sum -= lower[i, k] * lower[j, k];
                lower[i, j] = i == j ? Math.Sqrt(sum) : sum / lower[j, j];
            }

            solution[i] = Dot(vectors[i], target);
            for (var k = 0; k < i; k++)
                solution[i] -= lower[i, k] * solution[k];
            solution[i] /= lower[i, i];
        }

        for (var i = count - 1; i >= 0; i--)
        {
            for (var k = i + 1; k < count; k++)
                solution[i] -= lower[k, i] * solution[k];
            solution[i] /= lower[i, i];
        }

        return solution;
    }

    private static double Dot(float[] a, float[] b)
    {
        double sum = 0;
        for (var i = 0; i < a.Length; i++)
            sum += (double)a[i] * b[i];
        return sum;
    }
}
