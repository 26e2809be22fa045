using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>Makes the weight that holds merged adapters: summed in float32 and rounded once to the base's own type. The base's weight stays as it is, for unmerging.</summary>
internal static class MergedWeight
{
    /// <summary>Rows that are summed at a time: small enough to stay in the processor's cache from one step to the next.</summary>
    public const int RowsPerChunk = 128;

    /// <param name="weight">The base's weight.</param>
    /// <param name="path">The layer, for an error.</param>
    /// <param name="change">Given a float32 copy of some rows of the weight, the number of the first and their count, changes the copy in place or returns another.</param>
    /// <param name="rowsPerChunk">How many rows belong together.</param>
    public static Tensor Compute(Tensor weight, string path, Func<Tensor, int, int, Tensor> change, int rowsPerChunk = RowsPerChunk)
    {
        using var noGrad = GradMode.NoGrad();
        using var outliving = TensorScope.Suspend();
        using var scope = new TensorScope();
        var backend = weight.Backend;
        var merged = Tensor.Empty(weight.Shape, weight.DType, backend);
        for (var start = 0; start < weight.Shape[0]; start += rowsPerChunk)
        {
            using var chunk = new TensorScope();
            var rows = Math.Min(rowsPerChunk, weight.Shape[0] - start);
            var wide = change(Convert(backend.Slice(weight, 0, start, rows), DType.Float32), start, rows);
            var narrow = Convert(wide, weight.DType);
            // A half overflows at 65504, where the float32 sum is still finite.
            if (!double.IsFinite(backend.SumOfSquares(weight.DType == DType.Float16 ? Convert(narrow, DType.Float32) : wide)))
                throw new AdapterMergeException($"{path}: the merged weight holds NaN or infinity, so the adapter or the base is damaged. Nothing was changed.");
            backend.WriteSlice(merged, narrow, 0, start);
        }

        return scope.Keep(merged);
    }

    public static void Free(LinearWeight weight)
    {
        foreach (var (_, tensor) in weight.Tensors)
            tensor.Dispose();
    }

    /// <summary>Multiplies each row of a matrix [rows, columns] by a factor of its own, [rows].</summary>
    public static Tensor ScaleRows(Tensor matrix, Tensor factors)
    {
        // A factor for each row is one for each column of the transposed matrix.
        var backend = matrix.Backend;
        return backend.Permute(backend.Multiply(backend.Permute(matrix, [1, 0]), factors), [1, 0]);
    }

    private static Tensor Convert(Tensor tensor, DType dtype) => tensor.DType == dtype ? tensor : tensor.Backend.Cast(tensor, dtype);
}
