using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>log(1 + e^x).</summary>
internal readonly struct SoftplusFunction : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, ILanes<T> => T.Max(T.Broadcast(0), x) + LaneMath.Log1PlusFraction(LaneMath.Exp(-T.Abs(x)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, ILanes<T> => LaneMath.Sigmoid(x);
}
