using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>y[i] = op(x[i]); y may be x.</summary>
internal readonly unsafe struct UnaryBody<TOperator>(float* x, float* y, TOperator op) : ILaneBody
    where TOperator : struct, IUnaryOperator
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var i = from;
        for (; i <= to - 16; i += 16)
            op.Invoke(T.Load(x + i)).Store(y + i);
        if (i < to)
            LaneTail.Store(op.Invoke(LaneTail.Load<T>(x + i, (int)(to - i))), y + i, (int)(to - i));
    }
}
