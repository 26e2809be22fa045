using ChatGLM.Tensors;

namespace ChatGLM.Quantization;

/// <summary>Rows of a quantized table: only the rows that are asked for are widened. It is frozen.</summary>
internal sealed class QuantizedEmbedding : Embedding
{
    /// <summary>Wraps a table, [count, width].</summary>
    public QuantizedEmbedding(RowQuantizedWeight table)
        : base(table.Weight) => Table = table;

    /// <summary>Wraps a table of blocks, [count, width].</summary>
    public QuantizedEmbedding(BlockQuantizedWeight table)
        : base(table.Data) => Table = table;

    /// <summary>The table, [count, width].</summary>
    public LinearWeight Table { get; }

    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => Table.Tensors;

    public override Tensor Forward(Tensor ids)
    {
        if (ids.DType != DType.Int64)
            throw new TensorException(nameof(Embedding), $"ids: expected int64, found {ids.DType.TorchName()} {ids.Shape}.");
        var rows = new int[ids.ElementCount];
        var values = ids.ToArray<long>();
        for (var i = 0; i < rows.Length; i++)
        {
            rows[i] = (ulong)values[i] < (ulong)Table.OutFeatures
                ? (int)values[i]
                : throw new TensorException(nameof(Embedding), $"id {values[i]} at position {i} is not in 0..{Table.OutFeatures - 1}.");
        }

        using var scope = new TensorScope();
        return scope.Keep(Table.Backend.Dequantize(Select(rows)).Reshape([.. ids.Shape.ToArray(), Table.InFeatures]));
    }

    protected override bool CanTrain(Tensor parameter) => false;

    private LinearWeight Select(int[] rows) => Table switch
    {
        RowQuantizedWeight table => new RowQuantizedWeight(table.Backend.SelectRows(table.Weight, rows), table.Backend.SelectRows(table.Scale, rows), table.Bits),
        BlockQuantizedWeight table => table.SelectRows(rows),
        _ => throw new InvalidOperationException($"Rows of {Table.GetType().Name} are not selected."),
    };
}
