using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>target[i] *= scale for any floating-point type.</summary>
internal readonly unsafe struct ScaleBody(DType dtype, void* target, float scale) : ILaneBody
{
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var block = stackalloc float[FloatStore.BlockLength];
        while (from < to)
        {
            var count = (int)Math.Min(to - from, FloatStore.BlockLength);
            FloatStore.Load<T>(dtype, target, from, block, count);
            for (var i = 0; i < count; i += 16)
                (T.Broadcast(scale) * T.Load(block + i)).Store(block + i);
            FloatStore.Store<T>(dtype, block, target, from, count);
            from += count;
        }
    }
}
