using ChatGLM.Models;
using ChatGLM.Peft.Lycoris;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.LoKr;

/// <summary>Puts LoKr on linear layers.</summary>
internal sealed class LoKrTuner : LycorisTuner
{
    public override Module Wrap(Module layer, PreTrainedModel model) => new LoKrLinear((Linear)layer, model.Generator);

    /// <summary>A number as a product of two, the smaller first: the factor and the rest where it divides the number, else the divisors nearest to the root of it, the smaller of them at most
    /// the factor (LyCORIS' <c>factorization</c>).</summary>
    /// <param name="size">The number.</param>
    /// <param name="factor">The divisor that is wanted; -1 for any.</param>
    internal static (int Smaller, int Larger) Factorize(int size, int factor)
    {
        if (factor > 0 && size % factor == 0)
            return (factor, size / factor);
        var limit = factor == -1 ? size : factor;
        var (smaller, larger) = (1, size);
        while (smaller < larger)
        {
            var next = smaller + 1;
            while (size % next != 0)
                next++;
            if (next + (size / next) > smaller + larger || next > limit)
                break;
            (smaller, larger) = (next, size / next);
        }

        return smaller > larger ? (larger, smaller) : (smaller, larger);
    }

    protected override LycorisAdapter Create(string path, Linear layer, LycorisConfig config, int rank, TorchGenerator generator)
    {
        var lokr = (LoKrConfig)config;
        var backend = layer.Weight.Backend;
        var (l, k) = Factorize(layer.OutFeatures, lokr.DecomposeFactor);
        var (m, n) = Factorize(layer.InFeatures, lokr.DecomposeFactor);
        // Zeros in the first matrix, so that a new adapter changes nothing.
        var w1 = Factor("lokr_w1", l, m, lokr.DecomposeBoth && rank < Math.Max(l, m) / 2.0, isZero: lokr.InitWeights);
        var w2 = Factor("lokr_w2", k, n, rank < Math.Max(k, n) / 2.0, isZero: false);
        var alpha = PathPatterns.ValueFor(path, config.Origin, "alpha_pattern", lokr.AlphaPattern, lokr.Alpha);
        return new LoKrAdapter(w1, w2)
        {
            Scaling = lokr.RankDropoutScale is null ? 1 : (float)(alpha / rank),
            ScalesRankDropout = lokr.RankDropoutScale ?? true,
            RankDropout = lokr.RankDropout,
            ModuleDropout = lokr.ModuleDropout,
        };

        KroneckerFactor Factor(string name, int rows, int columns, bool isLowRank, bool isZero)
        {
            Shape shape = isLowRank ? [rows, rank] : [rows, columns];
            var first = isZero ? Tensor.Zeros(shape, backend: backend) : Drawn(shape, generator, backend);
            return new KroneckerFactor(name, first, isLowRank ? Drawn([rank, columns], generator, backend) : null);
        }
    }
}
