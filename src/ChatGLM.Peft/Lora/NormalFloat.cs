namespace ChatGLM.Peft.Lora;

/// <summary>
/// The data type of QLoRA (Dettmers et al. 2023): the levels of a value are quantiles of a normal distribution, so that each is used about as often. Blocks of values share a scale, their largest magnitude.
/// </summary>
internal static class NormalFloat
{
    /// <summary>How many values share a scale.</summary>
    public const int BlockLength = 64;

    /// <summary>Where the outermost quantile is taken, so that it is finite.</summary>
    private const float Offset = 0.9677083f;

    /// <summary>The levels, rising from -1 to 1, 0 among them.</summary>
    /// <param name="bits">2, 4 or 8.</param>
    public static float[] Table(int bits)
    {
        var half = 1 << (bits - 1);
        // One level more above zero than below.
        IEnumerable<double> levels = [.. Quantiles(half + 1), 0, .. Quantiles(half).Select(q => -q)];
        var sorted = levels.Select(q => (float)q).Order().ToArray();
        var largest = sorted[^1];
        return Array.ConvertAll(sorted, q => q / largest);
    }

    /// <summary>Each value as the level nearest to it.</summary>
    public static float[] Round(float[] values, float[] table)
    {
        var rounded = new float[values.Length];
        Parallel.For(0, values.Length / BlockLength, block =>
        {
            var source = values.AsSpan(block * BlockLength, BlockLength);
            var target = rounded.AsSpan(block * BlockLength, BlockLength);
            float scale = 0;
            foreach (var value in source)
                scale = Math.Max(scale, Math.Abs(value));
            for (var i = 0; i < BlockLength && scale > 0; i++)
                target[i] = table[Nearest(table, source[i] / scale)] * scale;
        });
        return rounded;
    }

    /// <summary>The index of the nearest level; of two as near the lower one.</summary>
    private static int Nearest(float[] table, float value)
    {
        var at = Array.BinarySearch(table, value);
        if (at >= 0)
            return at;
        var above = ~at;
        if (above == 0)
            return 0;
        if (above == table.Length)
            return above - 1;
        return value - table[above - 1] <= table[above] - value ? above - 1 : above;
    }

    /// <summary>Quantiles from the offset down to a half, the half left out: norm.ppf(linspace(offset, 0.5, count)[:-1]).</summary>
    private static IEnumerable<double> Quantiles(int count) => Enumerable.Range(0, count - 1).Select(i => Quantile((float)(Offset + ((0.5 - Offset) / (count - 1) * i))));

    /// <summary>The normal distribution's quantile for 0.5 to 0.98, to 1e-15 (Wichura 1988, algorithm AS 241).</summary>
    private static double Quantile(double probability)
    {
        var q = probability - 0.5;
        if (q <= 0.425)
        {
            var r = 0.180625 - (q * q);
            return q * Polynomial(
                    r, 3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3)
                / Polynomial(
                    r, 1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3);
        }

        var tail = Math.Sqrt(-Math.Log(1 - probability)) - 1.6;
        return Polynomial(
                tail, 1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4)
            / Polynomial(
                tail, 1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9);
    }

    private static double Polynomial(double x, params ReadOnlySpan<double> coefficients)
    {
        double sum = 0;
        for (var i = coefficients.Length - 1; i >= 0; i--)
            sum = (sum * x) + coefficients[i];
        return sum;
    }
}
