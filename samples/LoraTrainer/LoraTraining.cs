using ChatGLM.Peft;
using ChatGLM.Tokenizers;
using ChatGLM.Training;

namespace ChatGLM.Samples.LoraTrainer;

/// <summary>The trainer's <c>main.py</c>: an adapter over a base of 8 bits, checkpoints on the way, and the adapter in <c>model_final</c> at the end.</summary>
/// <param name="settings">What to do.</param>
/// <param name="output">Where to report.</param>
/// <param name="customize">Changes what the trainer is given.</param>
internal sealed class LoraTraining(LoraSettings settings, TextWriter output, Func<TrainerOptions, TrainerOptions>? customize = null)
{
    private const string FinalFolder = "model_final";

    public void Run(CancellationToken cancellationToken)
    {
        Check();
        var tokenizer = AutoTokenizer.FromPretrained(settings.ModelName);
        using var rows = TokenizedDataset.Open(settings.DataPath, new LoraFeatures(tokenizer, settings), new() { Logger = new ConsoleLog(output) }, cancellationToken);
        if (rows.Count == 0)
            throw new TrainingDataException(settings.DataPath, "there is no text in it to learn.");
        // A snapshot that is quantized already stays as it is.
        var isQuantized = AutoConfig.FromPretrained(settings.ModelName).QuantizationBit != 0;
        using var model = AutoModel.FromPretrained(
            settings.ModelName, new ModelOptions { QuantizationBit = isQuantized || settings.Bits == 0 ? null : settings.Bits, CancellationToken = cancellationToken });
        using var peft = model.GetPeftModel(new LoraConfig
        {
            R = settings.LoraR, LoraAlpha = settings.LoraAlpha, LoraDropout = (float)settings.LoraDropout, Bias = LoraBias.None, TaskType = TaskType.CausalLM,
        });
        peft.PrintTrainableParameters(output);
        var arguments = new TrainingArguments
        {
            OutputDir = settings.OutputDir,
            OverwriteOutputDir = true,
            PerDeviceTrainBatchSize = settings.MicroBatchSize,
            GradientAccumulationSteps = settings.BatchSize / settings.MicroBatchSize,
            WarmupSteps = settings.WarmupSteps,
            NumTrainEpochs = settings.Epochs,
            LearningRate = settings.LearningRate,
            LoggingSteps = settings.LoggingSteps,
            SaveStrategy = IntervalStrategy.Steps,
            SaveSteps = settings.SaveSteps,
            SaveTotalLimit = settings.SaveTotalLimit,
        };
        IDataCollator collator = tokenizer.Generation == ChatGLMGeneration.ChatGLM6B ? new DataCollatorForSeq2Seq(tokenizer) : new DataCollatorForLanguageModeling(tokenizer);
        var options = new TrainerOptions { DataCollator = collator, Logger = new ConsoleLog(output) };
        var trainer = new Trainer(peft, arguments, rows, options: customize?.Invoke(options) ?? options);
        var result = trainer.Train(cancellationToken: cancellationToken);
        MetricsText.Write(output, "train", result.Metrics);
        trainer.SaveState();
        var final = Path.Combine(settings.OutputDir, FinalFolder);
        peft.SavePretrained(final);
        output.WriteLine($"The adapter is in {final}. Ask it: inference --LORA_CHECKPOINT_DIR {final} --PROMPT ...");
    }

    private void Check()
    {
        Require(settings.MicroBatchSize > 0, "MICRO_BATCH_SIZE", $"expected 1 or more, found {settings.MicroBatchSize}.");
        Require(
            settings.BatchSize >= settings.MicroBatchSize, "BATCH_SIZE", $"expected MICRO_BATCH_SIZE ({settings.MicroBatchSize}) or a multiple of it, found {settings.BatchSize}: a step is made of whole batches.");
        Require(settings.CutoffLen >= 8, "CUTOFF_LEN", $"expected 8 or more, found {settings.CutoffLen}.");
        Require(settings.LoraR > 0, "LORA_R", $"expected 1 or more, found {settings.LoraR}.");
        Require(File.Exists(settings.DataPath), "DATA_PATH", $"there is no file '{settings.DataPath}'.");
    }

    private static void Require(bool condition, string name, string problem)
    {
        if (!condition)
            throw new TrainingArgumentsException(name, problem);
    }
}
