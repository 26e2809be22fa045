namespace ChatGLM.Tensors;

/// <content>Filling spans from a distribution: each method draws what torch draws for a contiguous tensor of that many elements.</content>
public sealed partial class TorchGenerator
{
    // From this size on torch fills in blocks of 16: all uniforms first, then Box-Muller between the two halves of each block.
    private const int NormalBlock = 16;

    /// <summary>Uniform float32 values, as <c>tensor.uniform_(from, to)</c>; with the defaults as <c>torch.rand</c>.</summary>
    /// <param name="values">Where the values go.</param>
    /// <param name="from">The smallest value.</param>
    /// <param name="to">The bound above, not reached but for rounding.</param>
    public void Uniform(Span<float> values, double from = 0, double to = 1)
    {
        var low = (float)from;
        var range = (float)to - low;
        // One rounding, as torch's compiler contracts it: the bits of an initialised weight are torch's.
        for (var i = 0; i < values.Length; i++)
            values[i] = MathF.FusedMultiplyAdd(NextSingle(), range, low);
    }

    /// <summary>Uniform float64 values, as <c>tensor.uniform_(from, to)</c> on a float64 tensor.</summary>
    /// <param name="values">Where the values go.</param>
    /// <param name="from">The smallest value.</param>
    /// <param name="to">The bound above, not reached but for rounding.</param>
    public void Uniform(Span<double> values, double from = 0, double to = 1)
    {
        for (var i = 0; i < values.Length; i++)
            values[i] = Math.FusedMultiplyAdd(NextDouble(), to - from, from);
    }

    /// <summary>Normal float32 values, as <c>tensor.normal_(mean, std)</c>; with the defaults as <c>torch.randn</c>.</summary>
    /// <param name="values">Where the values go.</param>
    /// <param name="mean">The mean.</param>
    /// <param name="std">The standard deviation.</param>
    public void Normal(Span<float> values, double mean = 0, double std = 1)
    {
        if (values.Length < NormalBlock)
        {
            for (var i = 0; i < values.Length; i++)
                values[i] = (float)NextNormal(mean, std);
            return;
        }

        Uniform(values);
        var start = 0;
        for (; start <= values.Length - NormalBlock; start += NormalBlock)
            BoxMuller(values.Slice(start, NormalBlock), mean, std);
        if (start < values.Length)
        {
            // A ragged end is drawn anew as a whole block, over values that are already there.
            var tail = values[^NormalBlock..];
            Uniform(tail);
            BoxMuller(tail, mean, std);
        }
    }

    /// <summary>Normal float64 values, as <c>tensor.normal_(mean, std)</c> on a float64 tensor.</summary>
    /// <param name="values">Where the values go.</param>
    /// <param name="mean">The mean.</param>
    /// <param name="std">The standard deviation.</param>
    public void Normal(Span<double> values, double mean = 0, double std = 1)
    {
        if (values.Length < NormalBlock)
        {
            for (var i = 0; i < values.Length; i++)
                values[i] = NextNormal(mean, std);
            return;
        }

        Uniform(values);
        var start = 0;
        for (; start <= values.Length - NormalBlock; start += NormalBlock)
            BoxMuller(values.Slice(start, NormalBlock), mean, std);
        if (start < values.Length)
        {
            var tail = values[^NormalBlock..];
            Uniform(tail);
            BoxMuller(tail, mean, std);
        }
    }

    /// <summary>Exponential float32 values, as <c>tensor.exponential_(lambda)</c>; two words each.</summary>
    /// <param name="values">Where the values go.</param>
    /// <param name="lambda">The rate.</param>
    public void Exponential(Span<float> values, double lambda = 1)
    {
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)(-1 / lambda * Math.Log(1 - NextDouble()));
    }

    /// <summary>Ones with a given probability, else zeros, as <c>tensor.bernoulli_(p)</c>; two words each.</summary>
    /// <param name="values">Where the zeros and ones go.</param>
    /// <param name="probability">The probability of a one, 0 to 1.</param>
    public void Bernoulli(Span<float> values, double probability) => Mask(values, probability, 1f);

    /// <summary>
    /// The factors by which <c>F.dropout</c> multiplies its input in training: 0 with probability <paramref name="probability"/>,
    /// else 1 / (1 - probability). Draws nothing when the probability is 0, as torch draws nothing.
    /// </summary>
    /// <param name="mask">Where the factors go, in the input's order.</param>
    /// <param name="probability">The probability of dropping a value, 0 to 1.</param>
    public void DropoutMask(Span<float> mask, double probability)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(probability);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(probability, 1);
        if (probability == 0)
            mask.Fill(1f);
        else if (probability == 1)
            mask.Clear();
        else
            Mask(mask, 1 - probability, 1f / (float)(1 - probability));
    }

    /// <summary>Whole numbers from <paramref name="low"/> to below <paramref name="high"/>, as <c>torch.randint(low, high, ...)</c>.</summary>
    /// <param name="values">Where the numbers go.</param>
    /// <param name="low">The smallest number.</param>
    /// <param name="high">The bound above, never reached.</param>
    public void RandInt(Span<long> values, long low, long high)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(low, high);
        var range = unchecked((ulong)high - (ulong)low);
        for (var i = 0; i < values.Length; i++)
            values[i] = unchecked((long)((range >= 1UL << 32 ? NextUInt64() : NextUInt32()) % range + (ulong)low));
    }

    /// <summary>The numbers 0 to length - 1 in random order, as <c>torch.randperm(length)</c>.</summary>
    /// <param name="order">Where the numbers go.</param>
    public void RandPerm(Span<int> order)
    {
        for (var i = 0; i < order.Length; i++)
            order[i] = i;
        for (var i = 0; i < order.Length - 1; i++)
        {
            var other = i + (int)(NextUInt32() % (uint)(order.Length - i));
            (order[i], order[other]) = (order[other], order[i]);
        }
    }

    private void Mask(Span<float> values, double probability, float one)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(probability);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(probability, 1);
        for (var i = 0; i < values.Length; i++)
            values[i] = NextDouble() < probability ? one : 0f;
    }

    private double NextNormal(double mean, double std)
    {
        if (_hasNextNormal)
        {
            _hasNextNormal = false;
            var kept = _nextNormal;
            _nextNormal = 0;
            return kept * std + mean;
        }

        var angle = 2 * Math.PI * NextDouble();
        var radius = Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
        var (sin, cos) = Math.SinCos(angle);
        _nextNormal = radius * sin;
        _hasNextNormal = true;
        return radius * cos * std + mean;
    }

    // The angle is rounded to float32 as torch rounds it: that is where most of the difference to exact arithmetic lies. The rest is
    // done in float64 and rounded once; torch's vectorised float32 logarithm, sine and cosine stay within 6e-7 of it.
    private static void BoxMuller(Span<float> block, double mean, double std)
    {
        for (var i = 0; i < NormalBlock / 2; i++)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1f - block[i]));
            var (sin, cos) = Math.SinCos(2 * MathF.PI * block[i + NormalBlock / 2]);
            block[i] = (float)(radius * cos * std + mean);
            block[i + NormalBlock / 2] = (float)(radius * sin * std + mean);
        }
    }

    private static void BoxMuller(Span<double> block, double mean, double std)
    {
        for (var i = 0; i < NormalBlock / 2; i++)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1 - block[i]));
            var (sin, cos) = Math.SinCos(2 * Math.PI * block[i + NormalBlock / 2]);
            block[i] = radius * cos * std + mean;
            block[i + NormalBlock / 2] = radius * sin * std + mean;
        }
    }
}
