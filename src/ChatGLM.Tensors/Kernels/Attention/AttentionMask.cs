using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Which keys a query sees, the score of those it does not see, and the dropout of the probabilities.</summary>
internal readonly unsafe struct AttentionMask(byte* hidden, bool hiddenPerQuery, bool causal, float hiddenScore, float* dropout, int heads, int seq, int keys)
{
    /// <summary>Whether hidden keys have probability 0 always, so that nothing need be computed for them.</summary>
    public bool HiddenIsZero => float.IsNegativeInfinity(hiddenScore);

    /// <summary>Keys from here on are hidden from query i by causality.</summary>
    public int VisibleEnd(int i) => causal ? Math.Clamp(keys - seq + i + 1, 0, keys) : keys;

    /// <summary>Turns the dot products with keys <paramref name="first"/> to first + count - 1 into scores; the rest up to <paramref name="padded"/>, a multiple of 16, becomes minus infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Score<T>(float* row, long batch, int i, int first, int count, int padded, float scale)
        where T : unmanaged, ILanes<T>
    {
        for (var j = 0; j < count; j += 16)
            (T.Load(row + j) * T.Broadcast(scale)).Store(row + j);
        Hide<T>(row, batch, i, first, count, hiddenScore);
        if (padded > count)
            new Span<float>(row + count, padded - count).Fill(float.NegativeInfinity);
    }

    /// <summary>Writes a value over the entries of hidden keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Hide<T>(float* row, long batch, int i, int first, int count, float value)
        where T : unmanaged, ILanes<T>
    {
        if (hidden is not null)
        {
            var mask = hidden + (((hiddenPerQuery ? (batch * seq) + i : batch) * keys) + first);
            var instead = T.Broadcast(value);
            var j = 0;
            for (; j <= count - 16; j += 16)
                T.Select(T.LoadNonZero(mask + j), instead, T.Load(row + j)).Store(row + j);
            if (j < count)
                T.Select(LaneTail.LoadNonZero<T>(mask + j, count - j), instead, T.Load(row + j)).Store(row + j);
        }

        var end = Math.Clamp(VisibleEnd(i) - first, 0, count);
        if (end < count)
            new Span<float>(row + end, count - end).Fill(value);
    }

    /// <summary>Multiplies probabilities by their dropout, if there is any.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Drop<T>(float* row, long batch, int head, int i, int first, int count)
        where T : unmanaged, ILanes<T>
    {
        if (dropout is null)
            return;
        var kept = DropoutRow(batch, head, i) + first;
        var j = 0;
        for (; j <= count - 16; j += 16)
            (T.Load(row + j) * T.Load(kept + j)).Store(row + j);
        if (j < count)
            (T.Load(row + j) * LaneTail.Load<T>(kept + j, count - j)).Store(row + j);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private float* DropoutRow(long batch, int head, int i) => dropout + (((((batch * heads) + head) * seq) + i) * keys);
}
