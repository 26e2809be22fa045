using System.CommandLine;
using System.Globalization;
using ChatGLM.Training;

namespace ChatGLM.Samples.LoraTrainer;

/// <summary>The flags of the ChatGLM2-LoRA trainer. Each can also stand in an environment variable of its name; a flag goes before.</summary>
internal static class LoraCommand
{
    /// <summary>What it does.</summary>
    public const string Description =
        "Trains a LoRA adapter over a quantized ChatGLM model, and answers with it (inference): the ChatGLM2-LoRA trainer with its flags. Each can also be an environment variable of that name.";

    /// <summary>The command: it trains, and answers with the subcommand <c>inference</c>.</summary>
    /// <param name="environment">Reads an environment variable.</param>
    public static RootCommand Create(Func<string, string?> environment)
    {
        var command = new RootCommand(Description);
        AddTo(command, environment);
        return command;
    }

    /// <summary>Makes a command this one.</summary>
    /// <param name="command">A command without flags.</param>
    /// <param name="environment">Reads an environment variable.</param>
    /// <param name="customize">Changes what the trainer is given.</param>
    public static void AddTo(Command command, Func<string, string?> environment, Func<TrainerOptions, TrainerOptions>? customize = null)
    {
        var defaults = new LoraSettings();
        foreach (var option in new Option[]
        {
            Named("MICRO_BATCH_SIZE", "Rows that go through the model at a time.", defaults.MicroBatchSize),
            Named("BATCH_SIZE", "Rows of an optimizer step.", defaults.BatchSize),
            Named("EPOCHS", "How often the data is gone through.", defaults.Epochs),
            Named("WARMUP_STEPS", "Steps in which the learning rate rises.", defaults.WarmupSteps),
            Named("LEARNING_RATE", "The learning rate at its greatest.", defaults.LearningRate),
            Named("CUTOFF_LEN", "The most tokens of a row, and of question and answer together.", defaults.CutoffLen),
            Named("LORA_R", "The rank of the adapter.", defaults.LoraR),
            Named("LORA_ALPHA", "What the adapter is scaled by, over its rank.", defaults.LoraAlpha),
            Named("LORA_DROPOUT", "Dropout before the adapter.", defaults.LoraDropout),
            Named("MODEL_NAME", "A snapshot folder or a repo id.", "the small demonstration model"),
            Named("LOGGING_STEPS", "Steps between losses.", defaults.LoggingSteps),
            Named("OUTPUT_DIR", "The folder of checkpoints and of model_final.", defaults.OutputDir),
            Named("DATA_PATH", "Objects with context and target, or lines of text.", $"{LoraSettings.UsualDataPath}, or a small file that comes along where there is none"),
            Named("DATA_TYPE", "json or txt.", "json"),
            Named("SAVE_STEPS", "Steps between checkpoints.", defaults.SaveSteps),
            Named("SAVE_TOTAL_LIMIT", "The checkpoints to keep.", defaults.SaveTotalLimit),
            Named("BIT_8", "Whether the base has 8 bits per weight while training.", "true"),
            Named("BIT_4", "Whether it has 4.", "false"),
            // The original's own example gives a prompt of several words without quotes.
            new Option<string[]>("--PROMPT") { Description = $"What to ask (inference). Default: {defaults.Prompt}.", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true, HelpName = "words", Recursive = true },
            Named("TEMPERATURE", "0 takes the likeliest tokens; more is more varied (inference).", defaults.Temperature),
            Named("LORA_CHECKPOINT_DIR", "The adapter to ask (inference).", defaults.LoraCheckpointDir),
        })
        {
            command.Add(option);
        }

        var inference = new Command("inference", "Answers one prompt with an adapter (inference.py).");
        command.Add(inference);
        command.SetAction((parsed, cancellationToken) =>
        {
            new LoraTraining(new LoraSettingsReader(parsed, environment).Read(), parsed.InvocationConfiguration.Output, customize).Run(cancellationToken);
            return Task.FromResult(0);
        });
        inference.SetAction((parsed, cancellationToken) =>
        {
            new LoraInference(new LoraSettingsReader(parsed, environment).Read(), parsed.InvocationConfiguration.Output).Run(cancellationToken);
            return Task.FromResult(0);
        });
    }

    private static Option<string> Named(string name, string description, object standard) => new("--" + name)
    {
        Description = string.Create(CultureInfo.InvariantCulture, $"{description} Default: {standard}."),
        HelpName = "value",
        Recursive = true,
    };
}
