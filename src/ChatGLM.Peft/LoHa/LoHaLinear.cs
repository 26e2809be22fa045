using ChatGLM.Peft.Lycoris;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.LoHa;

/// <summary>A linear layer with LoHa adapters: D = (W1A W1B) * (W2A W2B), element by element.</summary>
internal sealed class LoHaLinear(Linear baseLayer, TorchGenerator generator) : AddedLinear<LoHaAdapter>(baseLayer, generator)
{
    protected override Tensor Change(Tensor x, LoHaAdapter adapter)
    {
        // D is a product of rank r² too: the sum over i and j of (W1A_i * W2A_j) (W1B_i * W2B_j)^T. So long as r² is below the layer's widths that is far less work than D itself,
        // which is as large as the weight.
        if ((long)adapter.Rank * adapter.Rank <= Math.Min(InFeatures, OutFeatures))
        {
            var inner = PairRows(adapter.W1B, adapter.W2B);
            var outer = PairRows(Functional.Permute(adapter.W1A, [1, 0]), Functional.Permute(adapter.W2A, [1, 0]));
            return Functional.Linear(Functional.Linear(x, new DenseWeight(inner)), new DenseWeight(Functional.Permute(outer, [1, 0])));
        }

        var whole = Functional.Multiply(Functional.MatMul(adapter.W1A, adapter.W1B), Functional.MatMul(adapter.W2A, adapter.W2B));
        return Functional.Linear(x, new DenseWeight(whole));
    }

    protected override Tensor ChangeOfRows(LoHaAdapter adapter, int start, int count)
    {
        var backend = adapter.W1A.Backend;
        return backend.Multiply(
            backend.MatMul(backend.Slice(adapter.W1A, 0, start, count), adapter.W1B),
            backend.MatMul(backend.Slice(adapter.W2A, 0, start, count), adapter.W2B));
    }

    /// <summary>Each row of a [rank, width] times each row of b, element by element: [rank * rank, width].</summary>
    private static Tensor PairRows(Tensor a, Tensor b)
    {
        var (rank, width) = (a.Shape[0], a.Shape[1]);
        var firsts = new long[rank * rank];
        for (var i = 0; i < firsts.Length; i++)
            firsts[i] = i / rank;
        var repeated = Functional.Embedding(Tensor.From(firsts, [firsts.Length], a.Backend), a);
        return Functional.Reshape(Functional.Multiply(Functional.Reshape(repeated, [rank, rank, width]), b), [rank * rank, width]);
    }
}
