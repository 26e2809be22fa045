using ChatGLM.Tensors;

namespace ChatGLM.Quantization;

/// <summary>Rows of a quantized table: only the rows that are asked for are widened. It is frozen.</summary>
internal sealed class QuantizedEmbedding(RowQuantizedWeight table) : Embedding(table.Weight)
{
    /// <summary>The table, [count, width].</summary>
    public RowQuantizedWeight Table { get; } = table;

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
        var backend = Table.Backend;
        var chosen = new RowQuantizedWeight(backend.SelectRows(Table.Weight, rows), backend.SelectRows(Table.Scale, rows), Table.Bits);
        return scope.Keep(backend.Dequantize(chosen).Reshape([.. ids.Shape.ToArray(), Table.InFeatures]));
    }

    protected override bool CanTrain(Tensor parameter) => false;
}
