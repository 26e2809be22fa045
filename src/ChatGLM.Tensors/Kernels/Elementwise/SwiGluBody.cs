using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>y = silu(gate) * up for rows [gate | up].</summary>
internal readonly unsafe struct SwiGluBody(float* x, float* y, long width) : ILaneBody
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        // Items are elements of y, so that one long row (decoding) is shared out too.
        while (from < to)
        {
            var (row, column) = Math.DivRem(from, width);
            var count = Math.Min(to - from, width - column);
            float* gate = x + (2 * row * width) + column, up = gate + width, write = y + from;
            long i = 0;
            for (; i <= count - 16; i += 16)
                (SiluFunction.Value(T.Load(gate + i)) * T.Load(up + i)).Store(write + i);
            if (i < count)
            {
                var rest = (int)(count - i);
                LaneTail.Store(SiluFunction.Value(LaneTail.Load<T>(gate + i, rest)) * LaneTail.Load<T>(up + i, rest), write + i, rest);
            }

            from += count;
        }
    }
}
