using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>The square root.</summary>
internal readonly struct SqrtFunction : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, ILanes<T> => T.Sqrt(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, ILanes<T> => T.Broadcast(0.5f) / T.Sqrt(x);
}
