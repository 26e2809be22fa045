using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// exp, log, tanh and their relatives: range reduction and the polynomials of Cephes (Moshier), in float32. Bounds measured against double: exp and log within 1 ulp, tanh
/// within 2, sigmoid within 3; the tests hold them to that. Results below 2^-126 become 0, because a subnormal costs a hundred cycles wherever it goes next.
/// </summary>
internal static class LaneMath
{
    /// <summary>e^x; 0 below -87.3365 (ln 2^-126), infinity above 88.7228.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp<T>(T x)
        where T : unmanaged, ILanes<T>
    {
        // Bounds come first in Min and Max, so that a NaN passes through.
        var bounded = T.Max(T.Broadcast(-87.3365f), T.Min(T.Broadcast(88.72283f), x));
        var power = T.Round(bounded * T.Broadcast(1.44269504f));
        var r = T.MultiplyAdd(power, T.Broadcast(-0.693359375f), bounded);
        r = T.MultiplyAdd(power, T.Broadcast(2.12194440e-4f), r);
        var p = T.Broadcast(1.9875691500e-4f);
        p = T.MultiplyAdd(p, r, T.Broadcast(1.3981999507e-3f));
        p = T.MultiplyAdd(p, r, T.Broadcast(8.3334519073e-3f));
        p = T.MultiplyAdd(p, r, T.Broadcast(4.1665795894e-2f));
        p = T.MultiplyAdd(p, r, T.Broadcast(1.6666665459e-1f));
        p = T.MultiplyAdd(p, r, T.Broadcast(5.0000001201e-1f));
        p = T.MultiplyAdd(p, r * r, r) + T.Broadcast(1);
        var y = T.AddToExponent(p, power);
        y = T.Select(T.LessThan(x, T.Broadcast(-87.3365f)), T.Broadcast(0), y);
        return T.Select(T.LessThan(T.Broadcast(88.72283f), x), T.Broadcast(float.PositiveInfinity), y);
    }

    /// <summary>The natural logarithm; NaN below 0, minus infinity at 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Log<T>(T x)
        where T : unmanaged, ILanes<T>
    {
        var subnormal = T.LessThan(x, T.Broadcast(1.17549435e-38f));
        var scaled = T.Select(subnormal, x * T.Broadcast(8388608), x);
        var exponent = T.Exponent(scaled) - T.Select(subnormal, T.Broadcast(23), T.Broadcast(0));
        var fraction = T.Fraction(scaled);

        // Fractions in [sqrt(1/2), sqrt(2)) leave the smallest argument for the polynomial.
        var low = T.LessThan(fraction, T.Broadcast(0.707106781f));
        exponent -= T.Select(low, T.Broadcast(1), T.Broadcast(0));
        var f = T.Select(low, fraction + fraction, fraction) - T.Broadcast(1);
        var square = f * f;
        var p = T.Broadcast(7.0376836292e-2f);
        p = T.MultiplyAdd(p, f, T.Broadcast(-1.1514610310e-1f));
        p = T.MultiplyAdd(p, f, T.Broadcast(1.1676998740e-1f));
        p = T.MultiplyAdd(p, f, T.Broadcast(-1.2420140846e-1f));
        p = T.MultiplyAdd(p, f, T.Broadcast(1.4249322787e-1f));
        p = T.MultiplyAdd(p, f, T.Broadcast(-1.6668057665e-1f));
        p = T.MultiplyAdd(p, f, T.Broadcast(2.0000714765e-1f));
        p = T.MultiplyAdd(p, f, T.Broadcast(-2.4999993993e-1f));
        p = T.MultiplyAdd(p, f, T.Broadcast(3.3333331174e-1f));
        p = p * f * square;
        p = T.MultiplyAdd(exponent, T.Broadcast(-2.12194440e-4f), p);
        p = T.MultiplyAdd(square, T.Broadcast(-0.5f), p);
        var y = T.MultiplyAdd(exponent, T.Broadcast(0.693359375f), f + p);
        y = T.Select(T.LessThan(T.Broadcast(float.MaxValue), x), x, y);
        y = T.Select(T.LessThan(T.Broadcast(0), x), y, T.Broadcast(float.NaN));
        return T.Select(T.LessThan(T.Abs(x), T.Broadcast(float.Epsilon)), T.Broadcast(float.NegativeInfinity), y);
    }

    /// <summary>The hyperbolic tangent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Tanh<T>(T x)
        where T : unmanaged, ILanes<T>
    {
        var magnitude = T.Abs(x);
        var square = x * x;
        var p = T.Broadcast(-5.70498872745e-3f);
        p = T.MultiplyAdd(p, square, T.Broadcast(2.06390887954e-2f));
        p = T.MultiplyAdd(p, square, T.Broadcast(-5.37397155531e-2f));
        p = T.MultiplyAdd(p, square, T.Broadcast(1.33314422036e-1f));
        p = T.MultiplyAdd(p, square, T.Broadcast(-3.33332819422e-1f));
        var near = T.MultiplyAdd(p * square, x, x);
        var far = T.Broadcast(1) - (T.Broadcast(2) / (Exp(magnitude + magnitude) + T.Broadcast(1)));
        far = T.Select(T.LessThan(x, T.Broadcast(0)), -far, far);
        return T.Select(T.LessThan(magnitude, T.Broadcast(0.625f)), near, far);
    }

    /// <summary>1 / (1 + e^-x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sigmoid<T>(T x)
        where T : unmanaged, ILanes<T> => T.Broadcast(1) / (T.Broadcast(1) + Exp(-x));

    /// <summary>log(1 + y) for y in 0..1, accurate for small y: the logarithm of the rounded sum is corrected by what rounding lost.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Log1PlusFraction<T>(T y)
        where T : unmanaged, ILanes<T>
    {
        var sum = T.Broadcast(1) + y;
        return Log(sum) + ((y - (sum - T.Broadcast(1))) / sum);
    }
}
