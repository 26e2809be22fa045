namespace ChatGLM.Training;

/// <summary>
/// A trainer whose evaluations and predictions generate under <see cref="TrainingArguments.PredictWithGenerate"/> (transformers' <c>Seq2SeqTrainer</c>). Here every <see cref="Trainer"/> can; the
/// name is for those who look for it.
/// </summary>
public class Seq2SeqTrainer : Trainer
{
    /// <inheritdoc cref="Trainer(TrainableModel, TrainingArguments, IReadOnlyList{TokenizedExample}?, IReadOnlyList{TokenizedExample}?, TrainerOptions?)"/>
    public Seq2SeqTrainer(
        TrainableModel model,
        TrainingArguments arguments,
        IReadOnlyList<TokenizedExample>? trainDataset = null,
        IReadOnlyList<TokenizedExample>? evalDataset = null,
        TrainerOptions? options = null)
        : base(model, arguments, trainDataset, evalDataset, options)
    {
    }
}
