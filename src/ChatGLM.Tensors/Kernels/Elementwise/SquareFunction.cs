using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>x².</summary>
internal readonly struct SquareFunction : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, ILanes<T> => x * x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, ILanes<T> => x + x;
}
