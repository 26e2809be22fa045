using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>target[i] = op(target[i], source[i]) where either may be of any floating-point type.</summary>
internal readonly unsafe struct UpdateBody<TOperator>(DType targetType, void* target, DType sourceType, void* source, TOperator op) : ILaneBody
    where TOperator : struct, IBinaryOperator
{
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var a = stackalloc float[FloatStore.BlockLength];
        var b = stackalloc float[FloatStore.BlockLength];
        while (from < to)
        {
            var count = (int)Math.Min(to - from, FloatStore.BlockLength);
            FloatStore.Load<T>(targetType, target, from, a, count);
            FloatStore.Load<T>(sourceType, source, from, b, count);

            // The blocks are whole vectors long, so the lanes past the end are computed and dropped.
            for (var i = 0; i < count; i += 16)
                op.Invoke(T.Load(a + i), T.Load(b + i)).Store(a + i);
            FloatStore.Store<T>(targetType, a, target, from, count);
            from += count;
        }
    }
}
