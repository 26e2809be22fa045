namespace ChatGLM.Training;

/// <summary>How far a run is: what <c>trainer_state.json</c> holds.</summary>
public sealed partial class TrainerState
{
    private readonly List<IReadOnlyDictionary<string, double>> _logHistory = [];

    internal TrainerState()
    {
    }

    /// <summary>The epochs done, with the part of the present one.</summary>
    public double Epoch { get; internal set; }

    /// <summary>The optimizer steps done.</summary>
    public int GlobalStep { get; internal set; }

    /// <summary>The optimizer steps of the whole run.</summary>
    public int MaxSteps { get; internal set; }

    /// <summary>The epochs of the whole run, the last of them perhaps in part.</summary>
    public int NumTrainEpochs { get; internal set; }

    /// <summary>Floating-point operations so far, estimated as transformers does.</summary>
    public double TotalFlos { get; internal set; }

    /// <summary>The best metric so far, of those that a checkpoint was saved with.</summary>
    public double? BestMetric { get; internal set; }

    /// <summary>The checkpoint with the best metric.</summary>
    public string? BestModelCheckpoint { get; internal set; }

    /// <summary>Steps that were left out because a loss or gradient was not finite.</summary>
    public int SkippedSteps { get; internal set; }

    /// <summary>Everything that has been logged, in order.</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, double>> LogHistory => _logHistory;

    internal void Log(IReadOnlyDictionary<string, double> entry) => _logHistory.Add(entry);
}
