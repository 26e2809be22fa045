using ChatGLM.Tensors;

namespace ChatGLM.Peft.Rows;

/// <summary>Which adapter each row of a batch goes through, for one call. Layers ask for the rows of each adapter; the base's own work is done once for all rows.</summary>
/// <param name="names">An adapter for each row of the call's inputs; null for none.</param>
internal sealed class RowAdapters(IReadOnlyList<string?> names)
{
    private Division? _last;

    /// <summary>How many rows were named.</summary>
    public int Count => names.Count;

    /// <summary>The rows of each adapter in a batch that has every named row as often: beams and returned sequences of one prompt stand side by side.</summary>
    /// <param name="batch">The rows of the batch.</param>
    public IReadOnlyList<(string Name, int[] Rows)> Groups(int batch)
    {
        if (_last is { } last && last.Batch == batch)
            return last.Groups;
        if (batch == 0 || batch % names.Count != 0)
        {
            throw new AdapterRowsException($"{names.Count} adapters were named, and a layer was given {batch} rows. Name one for each row of input_ids"
                + $" ('{PeftModel.BaseAdapterName}' for a row without).");
        }

        var repeat = batch / names.Count;
        var groups = Enumerable.Range(0, batch)
            .Where(row => names[row / repeat] is not null)
            .GroupBy(row => names[row / repeat]!, StringComparer.Ordinal)
            .Select(group => (group.Key, group.ToArray()))
            .ToArray();
        _last = new Division(batch, groups);
        return groups;
    }

    /// <summary>Some rows of a tensor [batch, ...]; the tensor itself if these are all of them.</summary>
    public static Tensor Take(Tensor x, int[] rows) => rows.Length == x.Shape[0] ? x : x.Backend.SelectRows(x, rows);

    /// <summary>Adds scale times a change to some rows of y, in place, as <see cref="Backend.Add"/> does it.</summary>
    /// <param name="y">[batch, ...].</param>
    /// <param name="rows">The rows, rising.</param>
    /// <param name="change">[rows, ...].</param>
    /// <param name="scale">What the change is multiplied by.</param>
    public static void Add(Tensor y, int[] rows, Tensor change, float scale)
    {
        using var scope = new TensorScope();
        var backend = y.Backend;
        var sum = backend.Add(Take(y, rows), change, scale);
        for (var first = 0; first < rows.Length;)
        {
            // Rows that stand side by side are written at once.
            var after = first + 1;
            while (after < rows.Length && rows[after] == rows[after - 1] + 1)
                after++;
            backend.WriteSlice(y, after - first == rows.Length ? sum : backend.Slice(sum, 0, first, after - first), 0, rows[first]);
            first = after;
        }
    }

    /// <summary>The last answer: the layers of a pass all ask the same. One reference, so that whoever reads it sees both.</summary>
    private sealed record Division(int Batch, IReadOnlyList<(string Name, int[] Rows)> Groups);
}
