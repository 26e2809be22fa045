namespace ChatGLM.Training;

/// <summary>Is told what the training loop does, and may change what it does next (transformers' <c>TrainerCallback</c>). Override what is of interest.</summary>
public abstract class TrainerCallback
{
    /// <summary>The trainer has been made.</summary>
    public virtual void OnInitEnd(TrainerContext context)
    {
    }

    /// <summary>Training begins.</summary>
    public virtual void OnTrainBegin(TrainerContext context)
    {
    }

    /// <summary>Training has ended.</summary>
    public virtual void OnTrainEnd(TrainerContext context)
    {
    }

    /// <summary>An epoch begins.</summary>
    public virtual void OnEpochBegin(TrainerContext context)
    {
    }

    /// <summary>An epoch has ended.</summary>
    public virtual void OnEpochEnd(TrainerContext context)
    {
    }

    /// <summary>The first batch of an optimizer step begins.</summary>
    public virtual void OnStepBegin(TrainerContext context)
    {
    }

    /// <summary>A batch that is not the last of an optimizer step has ended.</summary>
    public virtual void OnSubstepEnd(TrainerContext context)
    {
    }

    /// <summary>An optimizer step has ended.</summary>
    public virtual void OnStepEnd(TrainerContext context)
    {
    }

    /// <summary>An evaluation has ended; the metrics are its.</summary>
    public virtual void OnEvaluate(TrainerContext context)
    {
    }

    /// <summary>A prediction has ended; the metrics are its.</summary>
    public virtual void OnPredict(TrainerContext context)
    {
    }

    /// <summary>A batch of an evaluation or prediction has ended.</summary>
    public virtual void OnPredictionStep(TrainerContext context)
    {
    }

    /// <summary>A checkpoint has been saved.</summary>
    public virtual void OnSave(TrainerContext context)
    {
    }

    /// <summary>Something has been logged; the metrics are the entry.</summary>
    public virtual void OnLog(TrainerContext context)
    {
    }

    /// <summary>Training, an evaluation or a prediction has ended by an error or a cancellation, which is thrown on. transformers has no such event; what is shown on a screen has to
    /// be put away all the same.</summary>
    public virtual void OnInterrupted(TrainerContext context, Exception error)
    {
    }
}
