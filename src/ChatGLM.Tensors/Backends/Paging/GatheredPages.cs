namespace ChatGLM.Tensors;

/// <summary>Attention over pages in terms of a backend's other kernels: each sequence's pages are copied together first. Right everywhere, fast nowhere.</summary>
internal static class GatheredPages
{
    public static void Write(Backend backend, Tensor key, Tensor value, PagedBatch batch, int layer)
    {
        using var scope = new TensorScope();
        foreach (var sequence in batch.Sequences)
        {
            for (var row = 0; row < sequence.Rows;)
            {
                var (page, slot) = Math.DivRem(sequence.Start + row, KeyValuePageLayout.Positions);
                var count = Math.Min(sequence.Rows - row, KeyValuePageLayout.Positions - slot);
                // [count, keyValueHeads, 1, headDim] to [1, keyValueHeads, headDim, count] and [1, keyValueHeads, count, headDim].
                var keys = backend.Permute(backend.Slice(key, 0, sequence.FirstRow + row, count), [2, 1, 3, 0]);
                var values = backend.Permute(backend.Slice(value, 0, sequence.FirstRow + row, count), [2, 1, 0, 3]);
                backend.WriteSlice(sequence.Pages[page].Keys(layer), keys, 3, slot);
                backend.WriteSlice(sequence.Pages[page].Values(layer), values, 2, slot);
                row += count;
            }
        }
    }

    public static Tensor Attend(Backend backend, Tensor query, PagedBatch batch, int layer, float scale)
    {
        using var scope = new TensorScope();
        var (heads, dim) = (query.Shape[1], query.Shape[3]);
        var y = Tensor.Zeros([batch.Rows, 1, heads * dim], DType.Float32, backend);
        foreach (var sequence in batch.Sequences)
        {
            using var own = new TensorScope();
            var pages = sequence.Pages.Take(KeyValuePageLayout.PagesOf(sequence.Keys)).ToArray();
            var key = backend.Concat(pages.Select(page => backend.Permute(page.Keys(layer), [0, 1, 3, 2])).ToArray(), 2);
            var value = backend.Concat(pages.Select(page => page.Values(layer)).ToArray(), 2);
            var queries = backend.Permute(backend.Slice(query, 0, sequence.FirstRow, sequence.Rows), [2, 1, 0, 3]);
            var hidden = new bool[sequence.Rows * sequence.Keys];
            for (var row = 0; row < sequence.Rows; row++)
            {
                var keys = hidden.AsSpan(row * sequence.Keys, sequence.Keys);
                keys[..Math.Min(sequence.FirstKey, sequence.Keys)].Fill(true);
                keys[sequence.VisibleTo(row)..].Fill(true);
            }

            var options = new AttentionOptions(scale, sequence.Keys) { Hidden = Tensor.From(hidden, [1, sequence.Rows, sequence.Keys], backend) };
            var attended = backend.Attention(queries, key, value, options, null);
            backend.WriteSlice(y, attended.Reshape(sequence.Rows, 1, heads * dim), 0, sequence.FirstRow);
        }

        return scope.Keep(y);
    }
}
