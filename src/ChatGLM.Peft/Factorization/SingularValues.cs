namespace ChatGLM.Peft.Factorization;

/// <summary>Some singular values, falling, with their vectors: M is about the sum of Values[k] Left[k] Right[k]^T.</summary>
/// <param name="Left">Vectors [rows]; zeros where the value is zero.</param>
/// <param name="Values">The values.</param>
/// <param name="Right">Vectors [columns].</param>
internal sealed record SingularValues(double[][] Left, double[] Values, double[][] Right)
{
    /// <summary>The first ones, with zeros after the last if there are fewer.</summary>
    public SingularValues Take(int count)
    {
        var (rows, columns) = (Left[0].Length, Right[0].Length);
        return new SingularValues(
            [.. Enumerable.Range(0, count).Select(k => k < Left.Length ? Left[k] : new double[rows])],
            [.. Enumerable.Range(0, count).Select(k => k < Values.Length ? Values[k] : 0)],
            [.. Enumerable.Range(0, count).Select(k => k < Right.Length ? Right[k] : new double[columns])]);
    }
}
