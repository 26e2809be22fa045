namespace ChatGLM.Tensors;

/// <summary>
/// The 256 values that a byte stands for in block-wise dynamic quantization (Dettmers et al. 2022; bitsandbytes' <c>create_dynamic_map</c>): seven ranges, each ten times the one before, and the
/// greater the range the finer it is divided. Values are relative to the greatest magnitude of their block.
/// </summary>
public static class DynamicMap
{
    private const int Ranges = 7;
    private static readonly float[] SignedValues = Make(signed: true);
    private static readonly float[] UnsignedValues = Make(signed: false);
    private static readonly double[] SignedMiddles = Middles(SignedValues);
    private static readonly double[] UnsignedMiddles = Middles(UnsignedValues);

    /// <summary>[256] values from -0.99 to 1, rising.</summary>
    public static ReadOnlySpan<float> Signed => SignedValues;

    /// <summary>[256] values from 0 to 1, rising.</summary>
    public static ReadOnlySpan<float> Unsigned => UnsignedValues;

    /// <summary>The code of the value nearest to x, which is from -1 to 1.</summary>
    public static byte QuantizeSigned(float x) => Nearest(SignedMiddles, x);

    /// <summary>The code of the value nearest to x, which is from 0 to 1.</summary>
    public static byte QuantizeUnsigned(float x) => Nearest(UnsignedMiddles, x);

    /// <summary>The number of middles below x, in eight halvings.</summary>
    private static byte Nearest(double[] middles, float x)
    {
        var at = 0;
        for (var half = 128; half > 0; half >>= 1)
        {
            if (x > middles[at + half - 1])
                at += half;
        }

        return (byte)at;
    }

    /// <summary>In double, where the middle of two floats is exact.</summary>
    private static double[] Middles(float[] values)
    {
        var middles = new double[values.Length - 1];
        for (var i = 0; i < middles.Length; i++)
            middles[i] = ((double)values[i] + values[i + 1]) / 2;
        return middles;
    }

    private static float[] Make(bool signed)
    {
        var values = new List<float> { 0, 1 };
        for (var range = 0; range < Ranges; range++)
        {
            // From 0.1 to 1 in equal parts, of which the middles count. (bitsandbytes computes them in float32, whose last digit depends on how PyTorch was built.)
            var parts = 1 << (signed ? range : range + 1);
            for (var part = 0; part < parts; part++)
            {
                var middle = (float)(Math.Pow(10, range - (Ranges - 1)) * (0.1 + (0.9 * (part + 0.5) / parts)));
                values.Add(middle);
                if (signed)
                    values.Add(-middle);
            }
        }

        values.Sort();
        return [.. values];
    }
}
