using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>RMSNorm of each row.</summary>
internal readonly unsafe struct RmsNormBody(float* x, float* weight, float* y, int width, float epsilon) : ILaneBody
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var row = from; row < to; row++)
        {
            float* read = x + (row * width), write = y + (row * width);
            var rstd = NormStatistics.Rms<T>(read, width, epsilon);
            var i = 0;
            for (; i <= width - 16; i += 16)
                (T.Load(read + i) * T.Broadcast(rstd) * T.Load(weight + i)).Store(write + i);
            if (i < width)
            {
                var rest = width - i;
                LaneTail.Store(LaneTail.Load<T>(read + i, rest) * T.Broadcast(rstd) * LaneTail.Load<T>(weight + i, rest), write + i, rest);
            }
        }
    }
}
