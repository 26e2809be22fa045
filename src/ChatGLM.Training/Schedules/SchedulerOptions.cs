namespace ChatGLM.Training;

/// <summary>The numbers of single schedules that transformers' functions take as keyword arguments.</summary>
public sealed record SchedulerOptions
{
    /// <summary>Cosine: the waves of the decay, half of one by default. With restarts: how often to start, once by default.</summary>
    public double? NumCycles { get; init; }

    /// <summary>Polynomial: the learning rate at the end.</summary>
    public double LrEnd { get; init; } = 1e-7;

    /// <summary>Polynomial: the power.</summary>
    public double Power { get; init; } = 1;

    /// <summary>Inverse square root: its time scale in steps; the warm-up if null.</summary>
    public int? Timescale { get; init; }

    /// <summary>Plateau: what the learning rate is multiplied by.</summary>
    public double Factor { get; init; } = 0.1;

    /// <summary>Plateau: the evaluations without an improvement that are put up with.</summary>
    public int Patience { get; init; } = 10;

    /// <summary>Plateau: the relative improvement that counts as one.</summary>
    public double Threshold { get; init; } = 1e-4;

    /// <summary>Plateau: whether a greater metric is better.</summary>
    public bool GreaterIsBetter { get; init; }
}
