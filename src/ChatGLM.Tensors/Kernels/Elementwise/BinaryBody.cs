using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>y[i] = op(a[i], b[i mod period]); y may be a.</summary>
internal readonly unsafe struct BinaryBody<TOperator>(float* a, float* b, float* y, long period, TOperator op) : ILaneBody
    where TOperator : struct, IBinaryOperator
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        while (from < to)
        {
            var offset = from % period;
            var length = Math.Min(to - from, period - offset);
            float* p = a + from, q = b + offset, r = y + from;
            long i = 0;
            for (; i <= length - 16; i += 16)
                op.Invoke(T.Load(p + i), T.Load(q + i)).Store(r + i);
            if (i < length)
            {
                var rest = (int)(length - i);
                LaneTail.Store(op.Invoke(LaneTail.Load<T>(p + i, rest), LaneTail.Load<T>(q + i, rest)), r + i, rest);
            }

            from += length;
        }
    }
}
