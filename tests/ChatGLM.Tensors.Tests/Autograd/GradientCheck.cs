namespace ChatGLM.Tensors.Tests.Autograd;

/// <summary>Compares the gradients of a backward pass with differences of the forward pass.</summary>
internal static class GradientCheck
{
    /// <summary>
    /// What float32 leaves of a difference quotient: the results carry an error of about 1e-7 each, which is divided by a step of 0.04 and summed over the
    /// outputs. Relative to the largest gradient of the input, or to 1.
    /// </summary>
    public const double Tolerance = 1e-4;

    private const float Step = 0.04f;

    /// <summary>The largest error over all elements of all inputs that require a gradient, relative to the largest gradient of that input or 1.</summary>
    public static double LargestError(Func<Tensor[], Tensor[]> function, params Tensor[] inputs)
    {
        using var scope = new TensorScope();
        var projections = Projections(function, inputs);
        var together = Gradients(function, inputs, projections);
        double largest = 0;
        for (var i = 0; i < inputs.Length; i++)
        {
            if (together[i] is not { } gradient)
                continue;
            AloneIsTheSame(function, inputs, i, projections, gradient);
            double scale = Math.Max(1, gradient.Max(Math.Abs)), error = 0;
            for (var element = 0; element < gradient.Length; element++)
                error = Math.Max(error, Math.Abs(gradient[element] - Difference(function, inputs, i, element, projections)));
            largest = Math.Max(largest, error / scale);
        }

        return double.IsNaN(largest) ? double.PositiveInfinity : largest;
    }

    /// <summary>A random direction for each output: the gradient of one number, its projection, tests all elements at once.</summary>
    private static float[][] Projections(Func<Tensor[], Tensor[]> function, Tensor[] inputs)
    {
        using var noGrad = GradMode.NoGrad();
        var generator = new TorchGenerator(7);
        return Array.ConvertAll(function(inputs), output =>
        {
            var direction = new float[output.ElementCount];
            generator.Normal(direction);
            return direction;
        });
    }

    private static float[]?[] Gradients(Func<Tensor[], Tensor[]> function, Tensor[] inputs, float[][] projections)
    {
        using var scope = new TensorScope();
        var outputs = function(inputs);
        Tensor? total = null;
        for (var i = 0; i < outputs.Length; i++)
        {
            var part = Functional.Sum(Functional.Multiply(outputs[i], Tensor.From(projections[i], outputs[i].Shape, outputs[i].Backend)));
            total = total is null ? part : Functional.Add(total, part);
        }

        total!.Backward();
        var gradients = Array.ConvertAll(inputs, input => input.Grad?.ToArray<float>());
        foreach (var input in inputs)
            input.ZeroGrad();
        return gradients;
    }

    /// <summary>An input gets the same gradient when all others are frozen, and the others get none.</summary>
    private static void AloneIsTheSame(Func<Tensor[], Tensor[]> function, Tensor[] inputs, int input, float[][] projections, float[] expected)
    {
        var before = Array.ConvertAll(inputs, other => other.RequiresGrad);
        for (var i = 0; i < inputs.Length; i++)
            inputs[i].RequiresGrad = i == input;
        var alone = Gradients(function, inputs, projections);
        for (var i = 0; i < inputs.Length; i++)
            inputs[i].RequiresGrad = before[i];
        alone[input].Should().Equal(expected);
        alone.Where((gradient, i) => i != input && gradient is not null).Should().BeEmpty();
    }

    /// <summary>The derivative by one element: central differences of two widths, extrapolated to a width of zero.</summary>
    private static double Difference(Func<Tensor[], Tensor[]> function, Tensor[] inputs, int input, int element, float[][] projections)
    {
        var wide = Quotient(Step);
        var narrow = Quotient(Step / 2);
        return narrow + ((narrow - wide) / 3);

        double Quotient(float step)
        {
            var values = inputs[input].AsSpan<float>();
            var value = values[element];
            var (above, below) = (value + step, value - step);
            values[element] = above;
            var upper = Projected(function, inputs, projections);
            values[element] = below;
            var lower = Projected(function, inputs, projections);
            values[element] = value;
            return (upper - lower) / ((double)above - below);
        }
    }

    private static double Projected(Func<Tensor[], Tensor[]> function, Tensor[] inputs, float[][] projections)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var outputs = function(inputs);
        double sum = 0;
        for (var i = 0; i < outputs.Length; i++)
        {
            var values = outputs[i].AsSpan<float>();
            for (var j = 0; j < values.Length; j++)
                sum += (double)values[j] * projections[i][j];
        }

        return sum;
    }
}
