using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>LayerNorm of each row: mean, variance about the mean, then scale and shift. The row stays in the first-level cache between the passes.</summary>
internal readonly unsafe struct LayerNormBody(float* x, float* weight, float* bias, float* y, int width, float epsilon) : ILaneBody
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var row = from; row < to; row++)
        {
            float* read = x + (row * width), write = y + (row * width);
            var (mean, rstd) = NormStatistics.Layer<T>(read, width, epsilon);
            var i = 0;
            for (; i <= width - 16; i += 16)
            {
                var normed = (T.Load(read + i) - T.Broadcast(mean)) * T.Broadcast(rstd);
                T.MultiplyAdd(normed, T.Load(weight + i), T.Load(bias + i)).Store(write + i);
            }

            if (i < width)
            {
                var rest = width - i;
                var normed = (LaneTail.Load<T>(read + i, rest) - T.Broadcast(mean)) * T.Broadcast(rstd);
                LaneTail.Store(T.MultiplyAdd(normed, LaneTail.Load<T>(weight + i, rest), LaneTail.Load<T>(bias + i, rest)), write + i, rest);
            }
        }
    }
}
