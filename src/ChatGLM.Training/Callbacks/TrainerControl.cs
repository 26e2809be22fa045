namespace ChatGLM.Training;

/// <summary>What a callback can ask the training loop to do (transformers' <c>TrainerControl</c>).</summary>
public sealed class TrainerControl
{
    /// <summary>Whether training ends after this step.</summary>
    public bool ShouldTrainingStop { get; set; }

    /// <summary>Whether the epoch ends after this step.</summary>
    public bool ShouldEpochStop { get; set; }

    /// <summary>Whether a checkpoint is saved now.</summary>
    public bool ShouldSave { get; set; }

    /// <summary>Whether to evaluate now.</summary>
    public bool ShouldEvaluate { get; set; }

    /// <summary>Whether to log now.</summary>
    public bool ShouldLog { get; set; }
}
