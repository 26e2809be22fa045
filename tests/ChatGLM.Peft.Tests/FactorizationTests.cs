using ChatGLM.Peft.Factorization;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

/// <summary>Against numbers recorded from torch 1.13 in float64 (<c>linalg.svd</c>, <c>linalg.qr</c>, <c>svd_lowrank</c>), and against what a factorization is.</summary>
public sealed class FactorizationTests
{
    [Theory]
    [InlineData(9, 3, 7)]
    [InlineData(4, 6, 5)] // the inner width is larger than both
    [InlineData(3, 5, 9)]
    [InlineData(20, 1, 1)]
    public void Singular_values_put_the_product_together_again(int rows, int inner, int columns)
    {
        var generator = new TorchGenerator(3);
        var (p, q) = (Vectors(generator, inner, rows), Vectors(generator, inner, columns));
        var (left, values, right) = LowRankSvd.Decompose(Copy(p), Copy(q));
        values.Should().BeInDescendingOrder();
        for (var k = 0; k < values.Length; k++)
        {
            if (values[k] <= 1e-9)
                continue;
            for (var other = 0; other <= k; other++)
            {
                Dot(left[k], left[other]).Should().BeApproximately(k == other ? 1 : 0, 1e-10);
                Dot(right[k], right[other]).Should().BeApproximately(k == other ? 1 : 0, 1e-10);
            }
        }

        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
                values.Select((value, k) => value * left[k][row] * right[k][column]).Sum().Should().BeApproximately(p.Select((vector, k) => vector[row] * q[k][column]).Sum(), 1e-10);
        }
    }

    [Fact]
    public void The_largest_values_are_those_of_torch()
    {
        var found = TruncatedSvd.Largest(Recorded(6, 4, 0), 2);
        Close(found.Values, [2.6381033772666544, 2.052166835605945]);
        double[] product =
        [
            0.6911359418687562, 0.05274957808380365, -0.625391578659574, 0.48854675663283514, -0.8405364776808171, -0.16435537024926428, 0.9299448891294718, -0.7324967750961088,
            0.8769493376082078, -0.0036662097543203043, -0.674204474802342, 0.5224250370540311, -0.8044359444214839, 0.4218780181279309, -0.08892349058770552, 0.09858396155883897,
            0.7162926004336213, -0.8254143000234397, 0.8393735526397946, -0.7087330632994793, -0.711568960110025, 0.9353823426304838, -1.0289078487985703, 0.8633985441109704,
        ];
        Close(Product(found), product);
    }

    [Theory]
    [InlineData(300, 220, 5)]
    [InlineData(120, 400, 8)]
    public void The_largest_values_are_found_without_the_others(int rows, int columns, int count)
    {
        // Random values lie close together, the hard case: the eighth and the ninth largest differ by a hundredth.
        var values = new float[rows * columns];
        new TorchGenerator(5).Normal(values);
        var all = TruncatedSvd.Largest(new DenseMatrix(values, rows, columns), Math.Min(rows, columns));
        var some = TruncatedSvd.Largest(new DenseMatrix(values, rows, columns), count);
        for (var k = 0; k < count; k++)
        {
            some.Values[k].Should().BeApproximately(all.Values[k], 1e-9 * all.Values[0]);
            Math.Abs(Dot(some.Left[k], all.Left[k])).Should().BeApproximately(1, 1e-9);
            Math.Abs(Dot(some.Right[k], all.Right[k])).Should().BeApproximately(1, 1e-9);
        }

        all.Values.Sum(v => v * v).Should().BeApproximately(values.Sum(v => (double)v * v), 1e-6, "no value is missing");
    }

    [Fact]
    public void What_the_rank_lacks_is_zero()
    {
        // Two equal values and no third: 2 e1 e2^T + 2 e3 e1^T.
        var values = new float[5 * 4];
        values[1] = values[8] = 2;
        var found = TruncatedSvd.Largest(new DenseMatrix(values, 5, 4), 3);
        Close(found.Values, [2, 2, 0]);
        Close(Product(found), Array.ConvertAll(values, v => (double)v));
        TruncatedSvd.Largest(new DenseMatrix(new float[6], 2, 3), 2).Values.Should().Equal(0, 0);
    }

    [Fact]
    public void A_few_iterations_from_a_seed_are_those_of_torch()
    {
        var tall = TruncatedSvd.Randomized(Recorded(20, 16, 2), 3, iterations: 1, new TorchGenerator(21));
        Close(tall.Values, [3.94459867477417, 3.7170000076293945, 3.3595452308654785], 5e-6);
        double[] first = [0.5747314691543579, 0.47245341539382935, -0.47117388248443604, 0.5547282695770264, -0.007928341627120972, -0.16971249878406525, -0.08977057784795761, 0.21210990846157074];
        Close(Product(tall)[..8], first, 5e-6);
        var wide = TruncatedSvd.Randomized(Recorded(12, 18, 2), 3, iterations: 0, new TorchGenerator(21));
        Close(wide.Values, [3.36820387840271, 3.2273311614990234, 3.0802364349365234], 5e-6);
        double[] firstWide = [-0.3084811866283417, -0.13962185382843018, -0.016879931092262268, -0.12061785161495209, -0.10272028297185898, -0.00045884400606155396, 0.23362571001052856, 0.6267441511154175];
        Close(Product(wide)[..8], firstWide, 5e-6);
    }

    [Fact]
    public void The_first_columns_of_a_qr_have_the_signs_of_torch()
    {
        var (q, r) = FirstColumnsQr.Decompose(Values(6, 4, 0), 6, 4, 2);
        double[] firstColumn = [-0.4403437491289486, 0.4282063595829619, -0.4153282713734286, 0.4017318174368502, -0.38744045359480356, 0.3724789457014536];
        double[] secondColumn = [0.6084352573093824, -0.3419047070346396, 0.06498177289256771, 0.1935209552026982, -0.4068037448919172, 0.5529425207031099];
        Close(q[0], firstColumn);
        Close(q[1], secondColumn);
        Close(r[0], [-1.9109410738017651, 0.7038009985133483, 0.24711641719751243, -0.03355954678720732]);
        Close(r[1], [0.0, 1.2117875120546442, -1.8406607658257133, 1.0203870715122396]);
        (q, r) = FirstColumnsQr.Decompose(Values(3, 5, 1), 3, 5, 2);
        Close(q[0], [-0.5746625240922569, 0.5776796389494872, -0.5796975229782395]);
        Close(r[1], [0.0, -0.372946742889812, 0.8065547048791198, -0.015024040647759973, -1.2287258240057266]);
    }

    [Fact]
    public void Columns_that_need_no_reflection_are_left_alone()
    {
        var (q, r) = FirstColumnsQr.Decompose([2, 1, 0, 3, 0, 0], 3, 2, 2);
        Close([.. q[0], .. q[1]], [1, 0, 0, 0, 1, 0]);
        Close([.. r[0], .. r[1]], [2, 1, 0, 3]);
    }

    /// <summary>The matrix of the recordings: sin(1 + 7 k + 3.1 i + 1.7 j + 0.37 i j), rounded to float32.</summary>
    internal static float[] Values(int rows, int columns, int k) =>
        [.. Enumerable.Range(0, rows * columns).Select(n => (Row: n / columns, Column: n % columns)).Select(n => (float)Math.Sin(1 + (k * 7) + (n.Row * 3.1) + (n.Column * 1.7) + (n.Row * n.Column * 0.37)))];

    private static DenseMatrix Recorded(int rows, int columns, int k) => new(Values(rows, columns, k), rows, columns);

    private static double[] Product(SingularValues found) =>
        [.. Enumerable.Range(0, found.Left[0].Length).SelectMany(row => Enumerable.Range(0, found.Right[0].Length).Select(column => found.Values.Select((value, k) => value * found.Left[k][row] * found.Right[k][column]).Sum()))];

    private static void Close(double[] actual, double[] expected, double tolerance = 1e-9)
    {
        actual.Should().HaveSameCount(expected);
        for (var i = 0; i < expected.Length; i++)
            actual[i].Should().BeApproximately(expected[i], tolerance, "value {0}", i);
    }

    private static double Dot(double[] a, double[] b) => a.Zip(b).Sum(p => p.First * p.Second);

    private static double[][] Copy(double[][] vectors) => [.. vectors.Select(v => (double[])v.Clone())];

    private static double[][] Vectors(TorchGenerator generator, int count, int length)
    {
        var vectors = new double[count][];
        for (var k = 0; k < count; k++)
            generator.Normal(vectors[k] = new double[length]);
        return vectors;
    }
}
