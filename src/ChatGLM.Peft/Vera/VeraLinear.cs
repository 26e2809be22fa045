using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Vera;

/// <summary>A linear layer with VeRA adapters: y = W x + bias + b * B (d * A dropout(x)).</summary>
internal sealed class VeraLinear(Linear baseLayer, TorchGenerator generator) : TunerLinear<VeraAdapter>(baseLayer)
{
    protected override Tensor Forward(Tensor x, VeraAdapter[] active)
    {
        var y = Functional.Linear(x, Weight, Bias);
        foreach (var adapter in active)
        {
            var inner = Functional.Linear(SequenceFirstDropout.Apply(x, adapter.Dropout, generator, Training), adapter.A);
            var result = Functional.Linear(Functional.Multiply(inner, adapter.LambdaD), adapter.B);
            y = Functional.Add(y, Functional.Multiply(result, adapter.LambdaB));
        }

        return y;
    }

    protected override Tensor MergeRows(VeraAdapter adapter, Tensor rows, int start)
    {
        var (backend, count) = (rows.Backend, rows.Shape[0]);
        var scaled = MergedWeight.ScaleRows(
            backend.Multiply(backend.Slice(adapter.B.Tensor, 0, start, count), adapter.LambdaD), backend.Slice(adapter.LambdaB, 0, start, count));
        backend.AddInPlace(rows, backend.MatMul(scaled, adapter.A.Tensor));
        return rows;
    }
}
