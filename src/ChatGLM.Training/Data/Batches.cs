using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>Rows of numbers as int64 tensors.</summary>
internal static class Batches
{
    /// <summary>[rows, seq] of rows that have seq numbers each.</summary>
    public static Tensor Stack(IReadOnlyList<TokenizedExample> rows, Func<TokenizedExample, int[]> of, int seq, Backend backend)
    {
        var values = new long[checked(rows.Count * seq)];
        for (var row = 0; row < rows.Count; row++)
            Widen(of(rows[row]), values.AsSpan(row * seq, seq));
        return Tensor.From(values, [rows.Count, seq], backend);
    }

    public static void Widen(ReadOnlySpan<int> from, Span<long> to)
    {
        for (var i = 0; i < from.Length; i++)
            to[i] = from[i];
    }

    public static Tensor Wide(int[] values, ReadOnlySpan<int> shape, Backend backend)
    {
        var wide = new long[values.Length];
        Widen(values, wide);
        return Tensor.From(wide, new Shape(shape), backend);
    }
}
