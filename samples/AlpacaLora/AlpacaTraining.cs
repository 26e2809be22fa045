using ChatGLM.Peft;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Training;

namespace ChatGLM.Samples.AlpacaLora;

/// <summary>Puts a LoRA adapter on a model, trains it on instructions, evaluates it on some that were kept back, and saves it.</summary>
/// <param name="settings">Model, data and adapter.</param>
/// <param name="training">How to train.</param>
/// <param name="output">Where to report.</param>
/// <param name="customize">Changes what the trainer is given.</param>
internal sealed class AlpacaTraining(AlpacaSettings settings, TrainingArguments training, TextWriter output, Func<TrainerOptions, TrainerOptions>? customize = null)
{
    public void Run(CancellationToken cancellationToken)
    {
        Check();
        var tokenizer = AutoTokenizer.FromPretrained(settings.ModelNameOrPath);
        var features = new AlpacaFeatures(tokenizer, settings);
        using var rows = Open(settings.DataPath, features, cancellationToken);
        using var kept = settings.EvalDataPath is { } path ? Open(path, features, cancellationToken) : null;
        var (train, evaluation) = kept is null ? Split(rows) : (rows, kept);
        output.WriteLine($"{train.Count} rows to train on, {evaluation.Count} to evaluate on");
        using var model = AutoModel.FromPretrained(settings.ModelNameOrPath, new ModelOptions { QuantizationBit = settings.QuantizationBit, Seed = unchecked((ulong)training.Seed), CancellationToken = cancellationToken });
        using var peft = model.GetPeftModel(new LoraConfig
        {
            R = settings.R, LoraAlpha = settings.LoraAlpha, LoraDropout = (float)settings.LoraDropout, TargetModules = new TargetModules(settings.TargetModules), TaskType = TaskType.CausalLM,
        });
        peft.PrintTrainableParameters(output);
        var options = new TrainerOptions { DataCollator = new DataCollatorForSeq2Seq(tokenizer), Logger = new ConsoleLog(output) };
        var trainer = new Trainer(peft, training, train, evaluation, customize?.Invoke(options) ?? options);
        Report(trainer, "eval", trainer.Evaluate(cancellationToken: cancellationToken), evaluation.Count, "before training");
        var result = trainer.Train(cancellationToken: cancellationToken);
        Report(trainer, "train", result.Metrics, train.Count, null);
        Report(trainer, "eval", trainer.Evaluate(cancellationToken: cancellationToken), evaluation.Count, "after training");
        trainer.SaveState();
        peft.SavePretrained(training.OutputDir);
        output.WriteLine($"The adapter is in {training.OutputDir}; peft's PeftModel.from_pretrained reads it too.");
    }

    /// <summary>Takes rows out at random, the same for the same seed.</summary>
    private (IReadOnlyList<TokenizedExample> Train, IReadOnlyList<TokenizedExample> Evaluation) Split(TokenizedDataset rows)
    {
        var count = settings.ValSetSize < 1 ? Math.Ceiling(rows.Count * settings.ValSetSize) : settings.ValSetSize;
        if (count >= rows.Count || count < 1)
            throw new TrainingArgumentsException("val_set_size", $"{count} of {rows.Count} rows are to be kept for evaluation. Keep at least one, and leave one to train on.");
        var order = new int[rows.Count];
        new TorchGenerator(unchecked((ulong)training.Seed)).RandPerm(order);
        return (new SubsetDataset(rows, order[(int)count..]), new SubsetDataset(rows, order[..(int)count]));
    }

    private TokenizedDataset Open(string path, AlpacaFeatures features, CancellationToken cancellationToken)
    {
        var rows = TokenizedDataset.Open(path, features, new() { OverwriteCache = settings.OverwriteCache, Logger = new ConsoleLog(output) }, cancellationToken);
        if (rows.Count > 0)
            return rows;
        rows.Dispose();
        throw new TrainingDataException(path, $"none of its records has instruction and output in {settings.MaxLength} tokens.");
    }

    private void Report(Trainer trainer, string split, IReadOnlyDictionary<string, double> metrics, int samples, string? when)
    {
        var reported = new Dictionary<string, double>(metrics) { [split + "_samples"] = samples };
        MetricsText.Write(output, when is null ? split : $"{split} ({when})", reported);
        trainer.SaveMetrics(split, reported);
    }

    private void Check()
    {
        Require(File.Exists(settings.DataPath), "data_path", $"there is no file '{settings.DataPath}'.");
        Require(settings.EvalDataPath is not { } path || File.Exists(path), "eval_data_path", $"there is no file '{settings.EvalDataPath}'.");
        Require(settings.MaxLength >= 8, "max_length", $"expected 8 or more, found {settings.MaxLength}.");
        Require(settings.ValSetSize > 0, "val_set_size", $"expected more than 0, found {settings.ValSetSize}.");
        Require(settings.R > 0, "r", $"expected 1 or more, found {settings.R}.");
        Require(settings.QuantizationBit is null or 4 or 8, "quantization_bit", $"expected 4 or 8, found {settings.QuantizationBit}.");
    }

    private static void Require(bool condition, string name, string problem)
    {
        if (!condition)
            throw new TrainingArgumentsException(name, problem);
    }
}
