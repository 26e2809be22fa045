using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>x * sigmoid(x).</summary>
internal readonly struct SiluFunction : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, ILanes<T> => x / (T.Broadcast(1) + LaneMath.Exp(-x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, ILanes<T>
    {
        var s = LaneMath.Sigmoid(x);
        return s * T.MultiplyAdd(x, T.Broadcast(1) - s, T.Broadcast(1));
    }
}
