using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>Adds row i of dy to row ids[i] of grad. An item is a block of 16 columns and goes through all ids in order, so that repeated ids add up in the same order always.</summary>
internal readonly unsafe struct EmbeddingBackwardBody(float* dy, long* ids, float* grad, long count, int width) : ILaneBody
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        for (long row = 0; row < count; row++)
        {
            float* source = dy + (row * width), target = grad + (ids[row] * width);
            for (var column = from * 16; column < Math.Min(width, to * 16); column += 16)
            {
                var rest = (int)Math.Min(16, width - column);
                if (rest == 16)
                    (T.Load(target + column) + T.Load(source + column)).Store(target + column);
                else
                    LaneTail.Store(LaneTail.Load<T>(target + column, rest) + LaneTail.Load<T>(source + column, rest), target + column, rest);
            }
        }
    }
}
