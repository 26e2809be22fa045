using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>A function as an operator.</summary>
internal readonly struct ValueOperator<TFunction> : IUnaryOperator
    where TFunction : struct, IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T x)
        where T : unmanaged, ILanes<T> => TFunction.Value(x);
}

/// <summary>dy times the derivative at x.</summary>
internal readonly struct ChainRuleOperator<TFunction> : IBinaryOperator
    where TFunction : struct, IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T dy, T x)
        where T : unmanaged, ILanes<T> => dy * TFunction.Derivative(x);
}

/// <summary>scale * x + offset.</summary>
internal readonly struct AffineOperator(float scale, float offset) : IUnaryOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T x)
        where T : unmanaged, ILanes<T> => T.MultiplyAdd(T.Broadcast(scale), x, T.Broadcast(offset));
}

/// <summary>scale * x.</summary>
internal readonly struct ScaleOperator(float scale) : IUnaryOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T x)
        where T : unmanaged, ILanes<T> => T.Broadcast(scale) * x;
}

/// <summary>a + scale * b.</summary>
internal readonly struct AddScaledOperator(float scale) : IBinaryOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T a, T b)
        where T : unmanaged, ILanes<T> => T.MultiplyAdd(T.Broadcast(scale), b, a);
}

/// <summary>a * b.</summary>
internal readonly struct MultiplyOperator : IBinaryOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T a, T b)
        where T : unmanaged, ILanes<T> => a * b;
}

/// <summary>a / b.</summary>
internal readonly struct DivideOperator : IBinaryOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Invoke<T>(T a, T b)
        where T : unmanaged, ILanes<T> => a / b;
}
