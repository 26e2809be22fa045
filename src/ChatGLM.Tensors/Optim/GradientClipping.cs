using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

/// <summary>Keeps gradients from becoming too large (<c>torch.nn.utils.clip_grad</c>). Parameters without a gradient are passed over.</summary>
public static class GradientClipping
{
    // Added to the norm that is divided by, as PyTorch does.
    private const double Epsilon = 1e-6;
    private const int ChunkElements = 16384;

    /// <summary>The 2-norm of all gradients taken together, summed in double.</summary>
    public static double Norm(IEnumerable<Tensor> parameters)
    {
        double squares = 0;
        foreach (var parameter in parameters)
        {
            if (parameter.Grad is { } gradient)
                squares += gradient.Backend.SumOfSquares(gradient);
        }

        return Math.Sqrt(squares);
    }

    /// <summary>Another norm of all gradients taken together.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="normType">The p of the p-norm, at least 1; infinity for the greatest magnitude.</param>
    public static double Norm(IEnumerable<Tensor> parameters, double normType)
    {
        if (!(normType >= 1))
            throw new ArgumentOutOfRangeException(nameof(normType), normType, "The p of a p-norm is at least 1, or infinity.");
        if (normType == 2)
            return Norm(parameters);
        double total = 0;
        var chunk = new float[ChunkElements];
        foreach (var parameter in parameters)
        {
            if (parameter.Grad is not { } gradient)
                continue;
            for (long at = 0; at < gradient.ElementCount; at += ChunkElements)
            {
                var values = chunk.AsSpan(0, (int)Math.Min(ChunkElements, gradient.ElementCount - at));
                gradient.Backend.Read(gradient, at * sizeof(float), MemoryMarshal.AsBytes(values));
                foreach (var value in values)
                {
                    // Math.Max gives NaN if either is NaN: one bad gradient shows in the norm.
                    double size = Math.Abs(value);
                    total = double.IsPositiveInfinity(normType) ? Math.Max(total, size) : total + (normType == 1 ? size : Math.Pow(size, normType));
                }
            }
        }

        return double.IsPositiveInfinity(normType) || normType == 1 ? total : Math.Pow(total, 1 / normType);
    }

    /// <summary>The factor that brings gradients of a norm down to a largest one; 1 if they are below it. Pass it to <see cref="Optimizer.Step(double)"/>.</summary>
    /// <param name="norm">The norm of all gradients. One that is not a number gives a factor that is none, as in PyTorch: look at the norm before stepping.</param>
    /// <param name="maxNorm">The largest norm wanted.</param>
    public static double Coefficient(double norm, double maxNorm) => Math.Min(maxNorm / (norm + Epsilon), 1);

    /// <summary>Scales all gradients in place so that their norm is at most <paramref name="maxNorm"/> (<c>clip_grad_norm_</c>).</summary>
    /// <returns>The norm that they had.</returns>
    /// <param name="parameters">The parameters.</param>
    /// <param name="maxNorm">The largest norm wanted.</param>
    /// <param name="normType">The p of the p-norm, at least 1; infinity for the greatest magnitude.</param>
    public static double ClipNorm(IEnumerable<Tensor> parameters, double maxNorm, double normType = 2)
    {
        var list = parameters as IReadOnlyCollection<Tensor> ?? [.. parameters];
        var norm = Norm(list, normType);
        var coefficient = Coefficient(norm, maxNorm);
        if (coefficient == 1)
            return norm;
        foreach (var parameter in list)
        {
            if (parameter.Grad is not { } gradient)
                continue;
            gradient.Unshare();
            gradient.Backend.ScaleInPlace(gradient, (float)coefficient);
        }

        return norm;
    }

    /// <summary>Brings every single number of all gradients into -maxValue..maxValue, in place (<c>clip_grad_value_</c>).</summary>
    public static void ClipValue(IEnumerable<Tensor> parameters, float maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxValue);
        var chunk = new float[ChunkElements];
        foreach (var parameter in parameters)
        {
            if (parameter.Grad is not { } gradient)
                continue;
            gradient.Unshare();
            for (long at = 0; at < gradient.ElementCount; at += ChunkElements)
            {
                var values = chunk.AsSpan(0, (int)Math.Min(ChunkElements, gradient.ElementCount - at));
                var bytes = MemoryMarshal.AsBytes(values);
                gradient.Backend.Read(gradient, at * sizeof(float), bytes);
                TensorPrimitives.Clamp(values, -maxValue, maxValue, values);
                gradient.Backend.Write(gradient, at * sizeof(float), bytes);
            }
        }
    }
}
