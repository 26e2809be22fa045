using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ChatGLM.Tensors;

/// <summary>
/// The products of few rows with one head of a page, in the order of <see cref="BlockProduct"/> and so to its bits. Few rows are bound by reading: what is read next is fetched meanwhile, because the
/// hardware's prefetcher stops at the end of a 4 KiB page of memory and never finds the next page of the cache.
/// </summary>
internal static unsafe class PageProduct
{
    private const int Positions = KeyValuePageLayout.Positions;
    private const int LineBytes = 64;

    /// <summary>Up to so many rows what is read next is fetched; more rows are bound by arithmetic.</summary>
    private const int FewRows = 16;

    /// <summary>Rows times keys [headDim, positions].</summary>
    /// <param name="rows">The first row.</param>
    /// <param name="rowStride">Floats to the next one.</param>
    /// <param name="count">The rows.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="scores">The first row's scores.</param>
    /// <param name="scoreStride">Floats to the next one's.</param>
    /// <param name="dim">The elements of a head.</param>
    /// <param name="next">As many bytes that are read next; null for nothing.</param>
    public static void Scores<T>(float* rows, long rowStride, int count, float* keys, float* scores, long scoreStride, int dim, byte* next)
        where T : unmanaged, ILanes<T>
    {
        if (count == 1)
        {
            ScoresOfOne<T>(rows, keys, scores, dim, next is null ? (byte*)keys : next);
            return;
        }

        for (var row = 0; row < count; row += 4)
        {
            var some = count <= FewRows ? Math.Min(4, count - row) : count;
            if (next is not null && count <= FewRows)
                Fetch(next, (long)dim * Positions * sizeof(float), row, count);
            BlockProduct.Multiply<T>(rows + (row * rowStride), rowStride, 1, keys, Positions, scores + (row * scoreStride), scoreStride, some, Positions, dim, accumulate: false);
            if (count > FewRows)
                return;
        }
    }

    /// <summary>Adds rows of weights times values [positions, headDim].</summary>
    /// <param name="weights">The first row's weights.</param>
    /// <param name="weightStride">Floats to the next one's.</param>
    /// <param name="count">The rows.</param>
    /// <param name="values">The values.</param>
    /// <param name="keys">How many count.</param>
    /// <param name="target">The first row's sums.</param>
    /// <param name="targetStride">Floats to the next one's.</param>
    /// <param name="dim">The elements of a head.</param>
    /// <param name="accumulate">Whether there are sums to go on from.</param>
    /// <param name="next">As many bytes that are read next; null for nothing.</param>
    public static void Values<T>(float* weights, long weightStride, int count, float* values, int keys, float* target, long targetStride, int dim, bool accumulate, byte* next)
        where T : unmanaged, ILanes<T>
    {
        if (count == 1)
        {
            var column = 0;
            for (; column <= dim - 64; column += 64)
                ValuesOfOne<T>(weights, values + column, keys, target + column, dim, accumulate, (next is null ? (byte*)values : next) + (column * sizeof(float)));
            if (column < dim)
                BlockProduct.Multiply<T>(weights, weightStride, 1, values + column, dim, target + column, targetStride, 1, dim - column, keys, accumulate);
            return;
        }

        for (var row = 0; row < count; row += 4)
        {
            var some = count <= FewRows ? Math.Min(4, count - row) : count;
            if (next is not null && count <= FewRows)
                Fetch(next, (long)dim * Positions * sizeof(float), row, count);
            BlockProduct.Multiply<T>(weights + (row * weightStride), weightStride, 1, values, dim, target + (row * targetStride), targetStride, some, dim, keys, accumulate);
            if (count > FewRows)
                return;
        }
    }

    /// <summary>Asks for a cache line without waiting for it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(byte* at)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(at);
    }

    /// <summary>Asks for a block's share of what is read next: from row <paramref name="row"/> of <paramref name="count"/> to the fourth after it.</summary>
    private static void Fetch(byte* next, long bytes, int row, int count)
    {
        var end = bytes * Math.Min(count, row + 4) / count;
        for (var at = bytes * row / count; at < end; at += LineBytes)
            Fetch(next + at);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScoresOfOne<T>(float* row, float* keys, float* scores, int dim, byte* next)
        where T : unmanaged, ILanes<T>
    {
        var (s0, s1) = (T.Broadcast(0), T.Broadcast(0));
        for (var d = 0; d < dim; d++)
        {
            Fetch(next);
            Fetch(next + LineBytes);
            var a = T.Broadcast(row[d]);
            s0 = T.MultiplyAdd(a, T.Load(keys), s0);
            s1 = T.MultiplyAdd(a, T.Load(keys + 16), s1);
            keys += Positions;
            next += Positions * sizeof(float);
        }

        s0.Store(scores);
        s1.Store(scores + 16);
    }

    /// <summary>64 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ValuesOfOne<T>(float* weights, float* values, int keys, float* target, int dim, bool accumulate, byte* next)
        where T : unmanaged, ILanes<T>
    {
        var zero = T.Broadcast(0);
        T s0 = zero, s1 = zero, s2 = zero, s3 = zero;
        if (accumulate)
            (s0, s1, s2, s3) = (T.Load(target), T.Load(target + 16), T.Load(target + 32), T.Load(target + 48));
        for (var key = 0; key < keys; key++)
        {
            Fetch(next);
            Fetch(next + LineBytes);
            Fetch(next + (2 * LineBytes));
            Fetch(next + (3 * LineBytes));
            var w = T.Broadcast(weights[key]);
            s0 = T.MultiplyAdd(w, T.Load(values), s0);
            s1 = T.MultiplyAdd(w, T.Load(values + 16), s1);
            s2 = T.MultiplyAdd(w, T.Load(values + 32), s2);
            s3 = T.MultiplyAdd(w, T.Load(values + 48), s3);
            values += dim;
            next += (long)dim * sizeof(float);
        }

        s0.Store(target);
        s1.Store(target + 16);
        s2.Store(target + 32);
        s3.Store(target + 48);
    }
}
