using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>GELU in its tanh form. It equals x * sigmoid(2 u), u = 0.79788 x (1 + 0.044715 x²): one exponential, and no cancellation in 1 + tanh for negative x.</summary>
internal readonly struct GeluTanhFunction : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, ILanes<T>
    {
        var doubled = x * T.MultiplyAdd(x * x, T.Broadcast(0.0713548162726f), T.Broadcast(1.59576912160573f));
        return x / (T.Broadcast(1) + LaneMath.Exp(-doubled));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, ILanes<T>
    {
        var square = x * x;
        var doubled = x * T.MultiplyAdd(square, T.Broadcast(0.0713548162726f), T.Broadcast(1.59576912160573f));
        var slope = T.MultiplyAdd(square, T.Broadcast(0.2140644488178f), T.Broadcast(1.59576912160573f));

        // sigmoid' = s (1 - s) is taken as e s^2 with e = e^-2u; where e overflows s is 0, and so is the product.
        var e = LaneMath.Exp(T.Min(T.Broadcast(80), -doubled));
        var s = T.Broadcast(1) / (T.Broadcast(1) + e);
        return T.MultiplyAdd(x * slope, e * s * s, s);
    }
}
