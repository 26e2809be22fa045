using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Converts between floating-point types.</summary>
internal readonly unsafe struct FloatCastBody(DType sourceType, void* source, DType targetType, void* target) : ILaneBody
{
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var block = stackalloc float[FloatStore.BlockLength];
        for (; from < to; from += FloatStore.BlockLength)
        {
            var count = (int)Math.Min(to - from, FloatStore.BlockLength);
            if (targetType == DType.Float32)
            {
                FloatStore.Load<T>(sourceType, source, from, (float*)target + from, count);
            }
            else if (sourceType == DType.Float32)
            {
                FloatStore.Store<T>(targetType, (float*)source + from, target, from, count);
            }
            else
            {
                FloatStore.Load<T>(sourceType, source, from, block, count);
                FloatStore.Store<T>(targetType, block, target, from, count);
            }
        }
    }
}
