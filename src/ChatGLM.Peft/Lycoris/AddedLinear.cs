using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lycoris;

/// <summary>A linear layer with adapters that add to its weight: y = W x + bias + scaling D x. D itself is not made where it is larger than what it is made of.</summary>
internal abstract class AddedLinear<TAdapter>(Linear baseLayer, TorchGenerator generator) : LycorisLinear<TAdapter>(baseLayer, generator)
    where TAdapter : AddedAdapter
{
    protected sealed override Tensor Forward(Tensor x, TAdapter[] active)
    {
        var y = Functional.Linear(x, Weight, Bias);
        foreach (var adapter in active)
        {
            if (!TakesPart(adapter))
                continue;
            var keep = Training && adapter.RankDropout > 0 ? KeptRows(adapter) : null;
            var added = Change(x, adapter);
            // Leaving rows of D out is leaving columns of its result out.
            y = Functional.Add(y, keep is null ? added : Functional.Multiply(added, keep), adapter.Scaling);
        }

        return y;
    }

    protected sealed override Tensor MergeRows(TAdapter adapter, Tensor rows, int start)
    {
        rows.Backend.AddInPlace(rows, ChangeOfRows(adapter, start, rows.Shape[0]), adapter.Scaling);
        return rows;
    }

    /// <summary>D x, [..., out], without the scaling.</summary>
    protected abstract Tensor Change(Tensor x, TAdapter adapter);

    /// <summary>Some rows of D, [count, in], without the scaling; not recorded.</summary>
    protected abstract Tensor ChangeOfRows(TAdapter adapter, int start, int count);

    /// <summary>The factor of each row, [out]: 0 for those that are left out.</summary>
    private Tensor KeptRows(TAdapter adapter)
    {
        var factors = new float[OutFeatures];
        Generator.Uniform(factors);
        var kept = 0;
        foreach (ref var factor in factors.AsSpan())
        {
            factor = factor > adapter.RankDropout ? 1 : 0;
            kept += (int)factor;
        }

        // Where no row is left there is nothing to make larger (peft divides by 0 there).
        if (adapter.ScalesRankDropout && kept > 0)
        {
            var mean = (float)kept / factors.Length;
            foreach (ref var factor in factors.AsSpan())
                factor /= mean;
        }

        return Tensor.From(factors, [factors.Length], Weight.Backend);
    }
}
