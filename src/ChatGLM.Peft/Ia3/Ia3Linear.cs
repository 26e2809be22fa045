using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Ia3;

/// <summary>A linear layer with (IA)³ adapters: y = l * (W x + bias), or y = W (l * x) + bias where the layer is a feed-forward one.</summary>
internal sealed class Ia3Linear(Linear baseLayer) : TunerLinear<Ia3Adapter>(baseLayer)
{
    protected override Tensor Forward(Tensor x, Ia3Adapter[] active)
    {
        foreach (var adapter in active)
        {
            if (adapter.IsFeedforward)
                x = Functional.Multiply(x, adapter.Factors);
        }

        var y = Functional.Linear(x, Weight, Bias);
        foreach (var adapter in active)
        {
            if (!adapter.IsFeedforward)
                y = Functional.Multiply(y, adapter.Factors);
        }

        return y;
    }

    protected override Tensor MergeRows(Ia3Adapter adapter, Tensor rows, int start) => adapter.IsFeedforward
        ? rows.Backend.Multiply(rows, adapter.Factors)
        : MergedWeight.ScaleRows(rows, rows.Backend.Slice(adapter.Factors, 0, start, rows.Shape[0]));

    protected override bool ChangesBias(Ia3Adapter adapter) => !adapter.IsFeedforward;

    /// <summary>The bias is a part of the result, so it is rescaled with it. (peft does so from 0.6 on; before, merging changed the answers of a layer with a bias.)</summary>
    protected override Tensor MergeBias(Ia3Adapter adapter, Tensor bias, int start) =>
        adapter.IsFeedforward ? bias : bias.Backend.Multiply(bias, bias.Backend.Slice(adapter.Factors, 0, start, bias.Shape[0]));
}
