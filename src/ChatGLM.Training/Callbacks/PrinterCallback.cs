namespace ChatGLM.Training;

/// <summary>Writes a line for every log entry (transformers' <c>PrinterCallback</c>): what a trainer has in place of the bar under <see cref="TrainingArguments.DisableTqdm"/>.</summary>
/// <param name="writer">Where to; the console's output if null.</param>
public sealed class PrinterCallback(TextWriter? writer = null) : TrainerCallback
{
    /// <inheritdoc/>
    public override void OnTrainBegin(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        (writer ?? Console.Out).WriteLine(context.Trainer.MemoryPlan);
    }

    /// <inheritdoc/>
    public override void OnLog(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        (writer ?? Console.Out).WriteLine(ProgressText.Of(context));
    }
}
