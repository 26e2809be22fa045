namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>Writes the keys and values of a pass into the pages of their sequences, and attends over these: softmax(scale * query key^T) value, heads joined. Not recorded on the tape.</summary>
    /// <param name="query">float32 [rows, heads, 1, headDim].</param>
    /// <param name="key">float32 [rows, keyValueHeads, 1, headDim].</param>
    /// <param name="value">Of key's shape.</param>
    /// <param name="batch">The sequences that the rows belong to.</param>
    /// <param name="layer">The layer of the pages.</param>
    /// <param name="scale">The factor of the scores before the softmax.</param>
    /// <returns>float32 [rows, 1, heads * headDim]; zeros for rows of no sequence.</returns>
    /// <exception cref="TensorException">Shapes do not fit, or a gradient would be needed.</exception>
    public static Tensor PagedAttention(Tensor query, Tensor key, Tensor value, PagedBatch batch, int layer, float scale)
    {
        const string operation = nameof(PagedAttention);
        ArgumentNullException.ThrowIfNull(batch);
        var layout = batch.Layout;
        Require.Float32(operation, "query", query);
        Require.Float32(operation, "key", key);
        Require.Float32(operation, "value", value);
        Require.SameBackend(operation, query, key, value);
        Require.Rank(operation, "query", query, 4, "[rows, heads, 1, headDim]");
        Require.Shape(operation, "key", key, [batch.Rows, layout.KeyValueHeads, 1, layout.HeadDim]);
        Require.Shape(operation, "value", value, key.Shape);
        var heads = query.Shape[1];
        Require.Shape(operation, "query", query, [batch.Rows, heads, 1, layout.HeadDim]);
        if (heads == 0 || heads % layout.KeyValueHeads != 0)
            throw new TensorException(operation, $"query: {heads} heads cannot share {layout.KeyValueHeads} key and value heads equally.");
        if (GradFunction.Records(query, key, value))
            throw new TensorException(operation, "pages are for answers, and a gradient would be needed here. Run under GradMode.NoGrad.");
        query.Backend.WritePages(key, value, batch, layer);
        return query.Backend.PagedAttention(query, batch, layer, scale);
    }
}
