using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>dGate = dy * up * silu'(gate), dUp = dy * silu(gate), with one exponential for both.</summary>
internal readonly unsafe struct SwiGluBackwardBody(float* dy, float* x, float* dx, long width) : ILaneBody
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        while (from < to)
        {
            var (row, column) = Math.DivRem(from, width);
            var count = Math.Min(to - from, width - column);
            var at = (2 * row * width) + column;
            for (long i = 0; i < count; i += 16)
            {
                var rest = (int)Math.Min(16, count - i);
                var whole = rest == 16;
                var gate = whole ? T.Load(x + at + i) : LaneTail.Load<T>(x + at + i, rest);
                var up = whole ? T.Load(x + at + width + i) : LaneTail.Load<T>(x + at + width + i, rest);
                var d = whole ? T.Load(dy + from + i) : LaneTail.Load<T>(dy + from + i, rest);
                var s = LaneMath.Sigmoid(gate);
                var silu = gate * s;
                var slope = T.MultiplyAdd(silu, T.Broadcast(1) - s, s);
                var dGate = d * up * slope;
                var dUp = d * silu;
                if (whole)
                {
                    dGate.Store(dx + at + i);
                    dUp.Store(dx + at + width + i);
                }
                else
                {
                    LaneTail.Store(dGate, dx + at + i, rest);
                    LaneTail.Store(dUp, dx + at + width + i, rest);
                }
            }

            from += count;
        }
    }
}
