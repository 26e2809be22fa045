using ChatGLM.Peft.Rows;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lora;

/// <summary>A linear layer, its weight frozen and in any format, with LoRA adapters: y = W x + bias + scaling B A dropout(x).</summary>
internal sealed class LoraLinear(Linear baseLayer, TorchGenerator generator) : TunerLinear<LoraAdapter>(baseLayer)
{
    private DoraNorm? _norm;

    /// <summary>The base's weight, whatever stands in its place now.</summary>
    public LinearWeight OwnWeight => BaseWeight;

    /// <summary>The lengths of the rows of the weight with an adapter, as DoRA starts from them.</summary>
    public Tensor RowNorms(LoraAdapter adapter) => NormOf(adapter.Residual ?? BaseWeight).Compute(adapter);

    protected override LinearWeight? StandIn(LoraAdapter adapter) => adapter.Residual;

    protected override Tensor Forward(Tensor x, LoraAdapter[] active)
    {
        if (Array.Exists(active, a => a.Magnitude is not null))
            return ForwardDora(x, active);
        var y = Functional.Linear(x, Weight, Bias);
        foreach (var adapter in active)
            y = Add(y, x, adapter);
        return y;
    }

    protected override Tensor Forward(Tensor x, RowAdapters rows)
    {
        using var noGrad = GradMode.NoGrad();
        var y = Functional.Linear(x, BaseWeight, Bias);
        foreach (var (name, chosen) in rows.Groups(x.Shape[0]))
        {
            using var scope = new TensorScope();
            if (Find(name) is { } adapter)
                RowAdapters.Add(y, chosen, LowRank(RowAdapters.Take(x, chosen), adapter), adapter.Scaling);
        }

        return y;
    }

    protected override LowRankTerm[]? LowRankTerms(LoraAdapter[] merging) =>
        Array.Exists(merging, a => a.Magnitude is not null) ? null : Array.ConvertAll(merging, a => new LowRankTerm(a.B, a.A, a.Scaling));

    protected override Tensor MergeRows(LoraAdapter adapter, Tensor rows, int start)
    {
        var backend = rows.Backend;
        backend.AddInPlace(rows, backend.MatMul(backend.Slice(adapter.B, 0, start, rows.Shape[0]), adapter.A), adapter.Scaling);
        return adapter.Magnitude is { } magnitude ? DoraNorm.ScaleRows(rows, backend.Slice(magnitude, 0, start, rows.Shape[0])) : rows;
    }

    /// <summary>y, which goes, plus an adapter's share. Where nothing is recorded, what only the share needs is given back at once: it would else stay until the model's layer is done.</summary>
    private Tensor Add(Tensor y, Tensor x, LoraAdapter adapter)
    {
        if (GradMode.Enabled)
            return Functional.Add(y, LowRank(SequenceFirstDropout.Apply(x, adapter.Dropout, generator, Training), adapter), adapter.Scaling);
        using var scope = new TensorScope();
        var sum = Functional.Add(y, LowRank(SequenceFirstDropout.Apply(x, adapter.Dropout, generator, Training), adapter), adapter.Scaling);
        y.Dispose();
        return scope.Keep(sum);
    }

    private DoraNorm NormOf(LinearWeight weight) => _norm?.IsOf(weight) == true ? _norm : _norm = new DoraNorm(weight);

    private static Tensor LowRank(Tensor x, LoraAdapter adapter) => Functional.Linear(Functional.Linear(x, adapter.WeightA), adapter.WeightB);

    /// <summary>With DoRA each row of W + scaling B A is brought to a length of its own: the row's factor is that length over the norm, which is held constant in the backward pass.</summary>
    private Tensor ForwardDora(Tensor x, LoraAdapter[] active)
    {
        var plain = Functional.Linear(x, Weight);
        var y = Bias is { } bias ? Functional.Add(plain, Functional.Cast(bias, DType.Float32)) : plain;
        foreach (var adapter in active)
        {
            var dropped = SequenceFirstDropout.Apply(x, adapter.Dropout, generator, Training);
            var lowRank = LowRank(dropped, adapter);
            if (adapter.Magnitude is not { } magnitude)
            {
                y = Functional.Add(y, lowRank, adapter.Scaling);
                continue;
            }

            Tensor norm;
            using (GradMode.NoGrad())
                norm = NormOf(Weight).Compute(adapter);
            var factor = Functional.Divide(magnitude, norm);
            var full = ReferenceEquals(dropped, x) ? plain : Functional.Linear(dropped, Weight);
            y = Functional.Add(y, Functional.Multiply(full, Functional.Affine(factor, 1, -1)));
            y = Functional.Add(y, Functional.Multiply(lowRank, factor), adapter.Scaling);
        }

        return y;
    }
}
