using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.AdaLora;

/// <summary>A linear layer with AdaLoRA adapters: y = W x + bias + scaling B (E * A dropout(x)).</summary>
internal sealed class AdaLoraLinear(Linear baseLayer, TorchGenerator generator) : TunerLinear<AdaLoraAdapter>(baseLayer)
{
    protected override Tensor Forward(Tensor x, AdaLoraAdapter[] active)
    {
        var y = Functional.Linear(x, Weight, Bias);
        foreach (var adapter in active)
        {
            var dropped = SequenceFirstDropout.Apply(x, adapter.Dropout, generator, Training);
            // All ranks of a layer can be taken away.
            if (adapter.Rank == 0)
                continue;
            var inner = Functional.Multiply(Functional.Linear(dropped, adapter.WeightA), adapter.Values);
            y = Functional.Add(y, Functional.Linear(inner, adapter.WeightB), adapter.Scaling);
        }

        return y;
    }

    protected override Tensor MergeRows(AdaLoraAdapter adapter, Tensor rows, int start)
    {
        if (adapter.Rank == 0)
            return rows;
        var backend = rows.Backend;
        var b = backend.Multiply(backend.Slice(adapter.B, 0, start, rows.Shape[0]), adapter.Values);
        backend.AddInPlace(rows, backend.MatMul(b, adapter.A), adapter.Scaling);
        return rows;
    }
}
