namespace ChatGLM.Training;

/// <summary>What happens when a loss or a gradient is not finite.</summary>
public enum NonFinitePolicy
{
    /// <summary>The run stops with a <see cref="NonFiniteException"/> that names the step and the tensor.</summary>
    Stop,

    /// <summary>The step is left out: the parameters stay as they are, the log says so.</summary>
    Skip,
}
