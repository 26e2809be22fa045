using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>The hyperbolic tangent.</summary>
internal readonly struct TanhFunction : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, ILanes<T> => LaneMath.Tanh(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, ILanes<T>
    {
        var y = LaneMath.Tanh(x);
        return T.MultiplyAdd(-y, y, T.Broadcast(1));
    }
}
