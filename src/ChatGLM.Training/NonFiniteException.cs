namespace ChatGLM.Training;

/// <summary>A loss or gradient is NaN or infinite, and the run is set to stop on it.</summary>
public sealed class NonFiniteException : ChatGLMException
{
    /// <summary>Creates the error.</summary>
    /// <param name="step">The optimizer step, from 1.</param>
    /// <param name="tensor">The loss, or the parameter whose gradient it is.</param>
    /// <param name="value">What was found.</param>
    public NonFiniteException(int step, string tensor, double value)
        : base(
            $"Step {step}: {tensor} is {value}. The parameters are as the step before left them. Lower learning_rate, look at this step's data, train in float32, or set non_finite_policy to skip "
            + "to leave such steps out.")
    {
        Step = step;
        Tensor = tensor;
    }

    /// <summary>The optimizer step, from 1.</summary>
    public int Step { get; }

    /// <summary>The loss, or the parameter whose gradient it is.</summary>
    public string Tensor { get; }
}
