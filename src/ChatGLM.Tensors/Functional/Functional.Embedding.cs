namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>Rows of a table (<c>torch.nn.functional.embedding</c>).</summary>
    /// <param name="ids">int64 [...], each in 0..rows - 1.</param>
    /// <param name="table">[rows, width] of any floating-point type.</param>
    /// <returns>float32 [..., width].</returns>
    /// <exception cref="TensorException">An id is not a row of the table, or a shape or type does not fit.</exception>
    public static Tensor Embedding(Tensor ids, Tensor table)
    {
        Require.ElementType(nameof(Embedding), "ids", ids, DType.Int64);
        Require.FloatingPoint(nameof(Embedding), "table", table);
        Require.Rank(nameof(Embedding), "table", table, 2, "[rows, width]");
        Require.SameBackend(nameof(Embedding), table, ids);
        var y = table.Backend.Embedding(ids, table);
        return GradFunction.Records(table) ? new EmbeddingFunction(ids, table).Attach(y) : y;
    }

    private sealed class EmbeddingFunction : GradFunction
    {
        private readonly Tensor _ids;

        public EmbeddingFunction(Tensor ids, Tensor table)
            : base(table) => _ids = Save(ids);

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink) =>
            _ids.Backend.EmbeddingBackward(gradOutputs[0]!, _ids, sink.Accumulator(0));
    }
}
