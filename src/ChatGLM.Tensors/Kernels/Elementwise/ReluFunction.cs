using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>max(x, 0).</summary>
internal readonly struct ReluFunction : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, ILanes<T> => T.Max(T.Broadcast(0), x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, ILanes<T> => T.Select(T.LessThan(T.Broadcast(0), x), T.Broadcast(1), T.Broadcast(0));
}
