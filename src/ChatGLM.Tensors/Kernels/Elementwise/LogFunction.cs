using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>The natural logarithm.</summary>
internal readonly struct LogFunction : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, ILanes<T> => LaneMath.Log(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, ILanes<T> => T.Broadcast(1) / x;
}
