using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>1 / (1 + e^-x).</summary>
internal readonly struct SigmoidFunction : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, ILanes<T> => LaneMath.Sigmoid(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, ILanes<T>
    {
        // e^-|x| / (1 + e^-|x|)^2 is the same on both sides of 0 and loses nothing where s is near 1.
        var e = LaneMath.Exp(-T.Abs(x));
        var s = T.Broadcast(1) / (T.Broadcast(1) + e);
        return e * s * s;
    }
}
