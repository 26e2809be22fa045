using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>scale * (softmax - target) of each row; 0 for ignored rows.</summary>
internal readonly unsafe struct CrossEntropyBackwardBody(float* logits, long* labels, int classes, long ignoreIndex, float smoothing, float* logSumExp, float scale, float* dx) : ILaneBody
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (var row = from; row < to; row++)
        {
            float* read = logits + (row * classes), write = dx + (row * classes);
            var label = labels[row];
            if (label == ignoreIndex)
            {
                new Span<float>(write, classes).Clear();
                continue;
            }

            var (lse, share) = (T.Broadcast(logSumExp[row]), T.Broadcast(smoothing / classes));
            var i = 0;
            for (; i <= classes - 16; i += 16)
                ((LaneMath.Exp(T.Load(read + i) - lse) - share) * T.Broadcast(scale)).Store(write + i);
            if (i < classes)
                LaneTail.Store((LaneMath.Exp(LaneTail.Load<T>(read + i, classes - i) - lse) - share) * T.Broadcast(scale), write + i, classes - i);
            write[label] -= scale * (1 - smoothing);
        }
    }
}
