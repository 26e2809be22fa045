using System.Numerics;
using System.Numerics.Tensors;

namespace ChatGLM.Generation;

/// <summary>Softmax and selection over one row of scores, vectorised; sums are kept in float64 so that a long row loses nothing.</summary>
internal static class RowMath
{
    private const int Chunk = 1024;

    /// <summary>[n] scores to [n] probabilities; the two may be the same span. A row with nothing left in it gives NaN, as in torch.</summary>
    public static void Softmax(ReadOnlySpan<float> scores, Span<float> probabilities)
    {
        var max = TensorPrimitives.Max(scores);
        var sum = 0.0;
        for (var start = 0; start < scores.Length; start += Chunk)
        {
            var length = Math.Min(Chunk, scores.Length - start);
            var part = probabilities.Slice(start, length);
            TensorPrimitives.Subtract(scores.Slice(start, length), max, part);
            if (!ExponentiateFew(part))
                TensorPrimitives.Exp(part, part);
            sum += TensorPrimitives.Sum<float>(part);
        }

        TensorPrimitives.Divide(probabilities[..scores.Length], (float)sum, probabilities);
    }

    /// <summary>
    /// Exponentials in place where few of the numbers are above minus infinity, as filters leave a row: a vector of none of them is zeros. False, and nothing is changed, where many are. Each exponential
    /// is that of <see cref="TensorPrimitives"/>, so that a row has the same bits either way.
    /// </summary>
    private static bool ExponentiateFew(Span<float> values)
    {
        // A rest shorter than a vector would be worked out by other code.
        if (values.Length % Vector<float>.Count != 0)
            return false;
        var none = new Vector<float>(float.NegativeInfinity);
        var most = values.Length / Vector<float>.Count / 4;
        for (var at = 0; at < values.Length; at += Vector<float>.Count)
        {
            if (!Vector.EqualsAll(new Vector<float>(values[at..]), none) && --most < 0)
                return false;
        }

        for (var i = 0; i < values.Length; i += Vector<float>.Count)
        {
            var part = values.Slice(i, Vector<float>.Count);
            if (Vector.EqualsAll(new Vector<float>(part), none))
                part.Clear();
            else
                TensorPrimitives.Exp<float>(part, part);
        }

        return true;
    }

    /// <summary>[n] scores to the logarithms of their probabilities, in place.</summary>
    public static void LogSoftmax(Span<float> scores) =>
        LogSoftmax(scores, scores);

    /// <summary>[n] scores to the logarithms of their probabilities; the two may be the same span.</summary>
    public static void LogSoftmax(ReadOnlySpan<float> scores, Span<float> logProbabilities)
    {
        Span<float> part = stackalloc float[Math.Min(Chunk, scores.Length)];
        var max = TensorPrimitives.Max(scores);
        var sum = 0.0;
        for (var start = 0; start < scores.Length; start += Chunk)
        {
            var length = Math.Min(Chunk, scores.Length - start);
            TensorPrimitives.Subtract(scores.Slice(start, length), max, part);
            TensorPrimitives.Exp(part[..length], part);
            sum += TensorPrimitives.Sum<float>(part[..length]);
        }

        TensorPrimitives.Subtract(scores, max, logProbabilities);
        TensorPrimitives.Subtract(logProbabilities[..scores.Length], (float)Math.Log(sum), logProbabilities);
    }

    /// <summary>The k-th largest score, found with a heap of the k best so far: one pass, and most scores cost one vector compare.</summary>
    /// <param name="scores">[n] scores without NaN.</param>
    /// <param name="k">1 to n.</param>
    /// <param name="heap">[at least k] scratch.</param>
    public static float KthLargest(ReadOnlySpan<float> scores, int k, Span<float> heap)
    {
        heap = heap[..k];
        scores[..k].CopyTo(heap);
        for (var i = k / 2 - 1; i >= 0; i--)
            SiftDown(heap, i);
        var at = k;
        for (; at <= scores.Length - Vector<float>.Count; at += Vector<float>.Count)
        {
            if (!Vector.GreaterThanAny(new Vector<float>(scores[at..]), new Vector<float>(heap[0])))
                continue;
            for (var lane = at; lane < at + Vector<float>.Count; lane++)
                Offer(heap, scores[lane]);
        }

        for (; at < scores.Length; at++)
            Offer(heap, scores[at]);
        return heap[0];
    }

    /// <summary>Rules out every score below a threshold.</summary>
    public static void RemoveBelow(Span<float> scores, float threshold)
    {
        var at = 0;
        for (; at <= scores.Length - Vector<float>.Count; at += Vector<float>.Count)
        {
            var lanes = new Vector<float>(scores[at..]);
            Vector.ConditionalSelect(Vector.LessThan(lanes, new Vector<float>(threshold)), new Vector<float>(float.NegativeInfinity), lanes).CopyTo(scores[at..]);
        }

        for (; at < scores.Length; at++)
        {
            if (scores[at] < threshold)
                scores[at] = float.NegativeInfinity;
        }
    }

    /// <summary>How often a value occurs.</summary>
    public static int Count(ReadOnlySpan<float> values, float value)
    {
        var (at, count) = (0, 0);
        for (; at <= values.Length - Vector<float>.Count; at += Vector<float>.Count)
        {
            if (!Vector.EqualsAny(new Vector<float>(values[at..]), new Vector<float>(value)))
                continue;
            for (var lane = at; lane < at + Vector<float>.Count; lane++)
                count += values[lane] == value ? 1 : 0;
        }

        for (; at < values.Length; at++)
            count += values[at] == value ? 1 : 0;
        return count;
    }

    /// <summary>Where a value occurs last; -1 if it does not.</summary>
    public static int LastIndexOf(ReadOnlySpan<float> values, float value)
    {
        var end = values.Length;
        for (; end >= Vector<float>.Count; end -= Vector<float>.Count)
        {
            if (Vector.EqualsAny(new Vector<float>(values[(end - Vector<float>.Count)..]), new Vector<float>(value)))
                break;
        }

        do
            end--;
        while (end >= 0 && values[end] != value);
        return end;
    }

    private static void Offer(Span<float> heap, float score)
    {
        if (!(score > heap[0]))
            return;
        heap[0] = score;
        SiftDown(heap, 0);
    }

    private static void SiftDown(Span<float> heap, int at)
    {
        var value = heap[at];
        while (true)
        {
            var child = 2 * at + 1;
            if (child >= heap.Length)
                break;
            if (child + 1 < heap.Length && heap[child + 1] < heap[child])
                child++;
            if (!(heap[child] < value))
                break;
            heap[at] = heap[child];
            at = child;
        }

        heap[at] = value;
    }
}
