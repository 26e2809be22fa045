using System.Buffers;
using System.Numerics;

namespace ChatGLM.Tensors;

/// <content>Drawing categories, as <c>torch.multinomial</c> on one row; for several rows call once per row, in order.</content>
public sealed partial class TorchGenerator
{
    private const int WordsPerDouble = 2;

    /// <summary>
    /// One category by its probability, as <c>torch.multinomial(probabilities, 1)</c>: torch divides every probability by an exponential
    /// draw and takes the largest ratio. Categories of probability zero only use up their draws.
    /// </summary>
    /// <param name="probabilities">[categories] probabilities or weights: finite, not negative, not all zero.</param>
    /// <returns>The index of the category.</returns>
    /// <exception cref="ArgumentException">The probabilities are no distribution; nothing has been drawn.</exception>
    public int Multinomial(ReadOnlySpan<float> probabilities)
    {
        CheckDistribution(probabilities);
        var best = -1;
        var bestRatio = 0f;
        long skipped = 0;
        for (var i = 0; i < probabilities.Length;)
        {
            // After a filter nearly all of a vocabulary is zero: whole vectors of it are passed over.
            if (i <= probabilities.Length - Vector<float>.Count && Vector.EqualsAll(new Vector<float>(probabilities[i..]), Vector<float>.Zero))
            {
                skipped += WordsPerDouble * Vector<float>.Count;
                i += Vector<float>.Count;
                continue;
            }

            for (var end = Math.Min(i + Vector<float>.Count, probabilities.Length); i < end; i++)
            {
                if (probabilities[i] == 0)
                {
                    skipped += WordsPerDouble;
                    continue;
                }

                Skip(skipped);
                skipped = 0;
                var ratio = probabilities[i] / NextExponential();
                if (best < 0 || ratio > bestRatio)
                {
                    best = i;
                    bestRatio = ratio;
                }
            }
        }

        Skip(skipped);
        return best;
    }

    /// <summary>Several categories, as <c>torch.multinomial(probabilities, samples.Length, replacement)</c>.</summary>
    /// <param name="probabilities">[categories] probabilities or weights: finite, not negative, not all zero.</param>
    /// <param name="samples">[samples] where the categories go; without replacement no more than there are categories.</param>
    /// <param name="replacement">Whether a category can be drawn more than once.</param>
    /// <exception cref="ArgumentException">The probabilities are no distribution, or there are too few of them; nothing has been drawn.</exception>
    public void Multinomial(ReadOnlySpan<float> probabilities, Span<int> samples, bool replacement = false)
    {
        if (samples.IsEmpty)
            return;
        if (samples.Length == 1 && !replacement)
        {
            samples[0] = Multinomial(probabilities);
            return;
        }

        CheckDistribution(probabilities);
        if (replacement)
        {
            WithReplacement(probabilities, samples);
            return;
        }

        if (samples.Length > probabilities.Length)
            throw new ArgumentException($"{samples.Length} different categories were asked for, but there are only {probabilities.Length}.", nameof(samples));
        WithoutReplacement(probabilities, samples);
    }

    private float NextExponential() => (float)-Math.Log(1 - NextDouble());

    private void WithReplacement(ReadOnlySpan<float> probabilities, Span<int> samples)
    {
        var rented = ArrayPool<float>.Shared.Rent(probabilities.Length);
        var cumulative = rented.AsSpan(0, probabilities.Length);
        var sum = 0f;
        for (var i = 0; i < cumulative.Length; i++)
            cumulative[i] = sum += probabilities[i];
        foreach (ref var value in cumulative)
            value /= sum;
        cumulative[^1] = 1;
        foreach (ref var sample in samples)
        {
            var drawn = NextDouble();
            int low = 0, high = cumulative.Length;
            while (high > low)
            {
                var middle = low + (high - low) / 2;
                if (cumulative[middle] < drawn)
                    low = middle + 1;
                else
                    high = middle;
            }

            sample = low;
        }

        ArrayPool<float>.Shared.Return(rented);
    }

    // The largest ratios, largest first; among equal ones the lower index. Held sorted: the samples are few beside the categories.
    private void WithoutReplacement(ReadOnlySpan<float> probabilities, Span<int> samples)
    {
        var rented = ArrayPool<float>.Shared.Rent(samples.Length);
        var ratios = rented.AsSpan(0, samples.Length);
        var held = 0;
        for (var i = 0; i < probabilities.Length; i++)
        {
            var ratio = 0f;
            if (probabilities[i] == 0)
                Skip(WordsPerDouble);
            else
                ratio = probabilities[i] / NextExponential();
            if (held == samples.Length && !(ratio > ratios[held - 1]))
                continue;
            var at = held == samples.Length ? held - 1 : held++;
            for (; at > 0 && ratio > ratios[at - 1]; at--)
            {
                ratios[at] = ratios[at - 1];
                samples[at] = samples[at - 1];
            }

            ratios[at] = ratio;
            samples[at] = i;
        }

        ArrayPool<float>.Shared.Return(rented);
    }

    private static void CheckDistribution(ReadOnlySpan<float> probabilities)
    {
        var any = false;
        var i = 0;
        for (; i <= probabilities.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            // NaN compares false with everything.
            var lanes = new Vector<float>(probabilities[i..]);
            if (!Vector.GreaterThanOrEqualAll(lanes, Vector<float>.Zero) || !Vector.LessThanAll(lanes, new Vector<float>(float.PositiveInfinity)))
                break; // the loop below says which
            any |= Vector.GreaterThanAny(lanes, Vector<float>.Zero);
        }

        foreach (var probability in probabilities[i..])
        {
            if (!(probability >= 0) || float.IsPositiveInfinity(probability))
                throw new ArgumentException($"A probability is {probability}; every one must be finite and not negative.", nameof(probabilities));
            any |= probability > 0;
        }

        if (!any)
            throw new ArgumentException("Every probability is zero, so nothing can be drawn.", nameof(probabilities));
    }
}
