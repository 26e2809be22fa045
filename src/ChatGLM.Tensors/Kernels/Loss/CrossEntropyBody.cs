using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// The loss and the log of the sum of exponentials of each row, in one pass over memory: a piece of the vocabulary that fits the first-level cache is read for its largest logit
/// and again for its exponentials, and the sum so far is rescaled when the largest grows. Ignored rows are not read at all.
/// </summary>
internal readonly unsafe struct CrossEntropyBody(float* logits, long* labels, int classes, long ignoreIndex, float smoothing, float* logSumExp, double* losses) : ILaneBody
{
    private const int Piece = 4096;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var row = from; row < to; row++)
        {
            if (labels[row] == ignoreIndex)
            {
                losses[row] = 0;
                if (logSumExp is not null)
                    logSumExp[row] = 0;
                continue;
            }

            var start = logits + (row * classes);
            var max = float.NegativeInfinity;
            double sum = 0, total = 0;
            for (var at = 0; at < classes; at += Piece)
            {
                var count = Math.Min(Piece, classes - at);
                var pieceMax = RowSums.Max<T>(start + at, count);
                if (pieceMax > max)
                {
                    sum *= Math.Exp((double)max - pieceMax);
                    max = pieceMax;
                }

                // Logits that are all minus infinity so far have no largest one to measure from; a NaN is not above it either, and must come through.
                var shift = float.IsNegativeInfinity(max) ? 0 : max;
                sum += RowSums.Sum<T, RowSums.ExpTerm>(start + at, count, new RowSums.ExpTerm(shift), float.NegativeInfinity);
                if (smoothing != 0)
                    total += RowSums.Sum<T>(start + at, count);
            }

            var lse = (float.IsNegativeInfinity(max) ? 0 : max) + Math.Log(sum);
            if (logSumExp is not null)
                logSumExp[row] = (float)lse;
            losses[row] = (1 - (double)smoothing) * (lse - start[labels[row]]);
            if (smoothing != 0)
                losses[row] += smoothing * (lse - (total / classes));
        }
    }
}
