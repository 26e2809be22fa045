using ChatGLM.Peft.Lycoris;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.LoKr;

/// <summary>A linear layer with LoKr adapters: D is the Kronecker product of W1 and W2.</summary>
internal sealed class LoKrLinear(Linear baseLayer, TorchGenerator generator) : AddedLinear<LoKrAdapter>(baseLayer, generator)
{
    /// <summary>With x as a matrix X [m, n], D x is W1 X W2^T [l, k], row by row: two small products, and no matrix of the weight's size.</summary>
    protected override Tensor Change(Tensor x, LoKrAdapter adapter)
    {
        var (w1, w2) = (adapter.W1, adapter.W2);
        var rows = checked((int)x.Shape.RowCount);
        var right = w2.Apply(Functional.Reshape(x, [rows, w1.Columns, w2.Columns]));
        var both = w1.Apply(Functional.Permute(right, [0, 2, 1]));
        return Functional.Reshape(Functional.Permute(both, [0, 2, 1]), x.Shape.With(x.Shape.Rank - 1, OutFeatures));
    }

    protected override Tensor ChangeOfRows(LoKrAdapter adapter, int start, int count)
    {
        // Row i is the outer product of row i / k of W1 and row i % k of W2.
        var (w1, w2, k) = (adapter.W1.Whole(), adapter.W2.Whole(), adapter.W2.Rows);
        var backend = w1.Backend;
        int[] indices = [.. Enumerable.Range(start, count)];
        var firsts = backend.SelectRows(w1, Array.ConvertAll(indices, i => i / k));
        var seconds = backend.SelectRows(w2, Array.ConvertAll(indices, i => i % k));
        var products = backend.MatMul(firsts.Reshape(count, adapter.W1.Columns, 1), seconds.Reshape(count, 1, adapter.W2.Columns));
        return products.Reshape(count, InFeatures);
    }
}
