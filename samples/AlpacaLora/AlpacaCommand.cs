using System.CommandLine;
using ChatGLM.Training;

namespace ChatGLM.Samples.AlpacaLora;

/// <summary>The flags of the sample: model, data and adapter, and all training arguments.</summary>
internal static class AlpacaCommand
{
    /// <summary>What stands unless the user says otherwise: transformers' defaults are meant for larger data.</summary>
    private static readonly string[] Defaults =
    [
        "--output_dir", "output/alpaca-lora", "--per_device_train_batch_size", "4", "--per_device_eval_batch_size", "4", "--gradient_accumulation_steps", "2", "--learning_rate", "1e-3",
        "--num_train_epochs", "3", "--warmup_ratio", "0.1", "--weight_decay", "0.01", "--evaluation_strategy", "epoch", "--save_strategy", "epoch", "--save_total_limit", "3", "--logging_steps", "5",
    ];

    /// <summary>What it does.</summary>
    public static string Description => $"""
        Trains a LoRA adapter on instructions in the form of the Alpaca data sets, English and Chinese. Without a flag it runs on a small model and data that come along.
        {TrainingFlags.Help()}
        Here these stand unless given: {string.Join(' ', Defaults)}
        """;

    /// <summary>The command.</summary>
    public static RootCommand Create()
    {
        var command = new RootCommand(Description);
        AddTo(command);
        return command;
    }

    /// <summary>Makes a command this one.</summary>
    /// <param name="command">A command without flags.</param>
    /// <param name="customize">Changes what the trainer is given.</param>
    public static void AddTo(Command command, Func<TrainerOptions, TrainerOptions>? customize = null)
    {
        var standard = new AlpacaSettings { DataPath = Path.Combine(AppContext.BaseDirectory, "Data", "alpaca_data.json") };
        var model = new Option<string?>("--model_name_or_path") { Description = "A snapshot folder or a repo id such as THUDM/chatglm-6b. Default: the small demonstration model." };
        var data = new Option<string?>("--data_path") { Description = "Alpaca data: records with instruction, input and output. Default: a small file that comes along." };
        var evalData = new Option<string?>("--eval_data_path") { Description = "Data to evaluate on. Default: some of the training data." };
        var valSetSize = new Option<double?>("--val_set_size") { Description = $"How much of the training data is kept for evaluation: below 1 a part, else a number of rows. Default: {standard.ValSetSize}." };
        var r = new Option<int?>("--r", "--lora_r") { Description = $"The rank of the adapter. Default: {standard.R}." };
        var alpha = new Option<double?>("--lora_alpha") { Description = $"What the adapter is scaled by, over its rank. Default: {standard.LoraAlpha}." };
        var dropout = new Option<double?>("--lora_dropout") { Description = $"Dropout before the adapter. Default: {standard.LoraDropout}." };
        var targets = new Option<string[]>("--target_modules", "--lora_target_modules") { Description = "The layers that get one. Default: query_key_value.", AllowMultipleArgumentsPerToken = true };
        var maxLength = new Option<int?>("--max_length") { Description = $"The most tokens of a row; longer ones are left out. Default: {standard.MaxLength}." };
        var language = new Option<PromptLanguage?>("--prompt_language") { Description = "The language of the template: en, zh, or auto for that of the instruction. Default: auto." };
        var quantization = new Option<int?>("--quantization_bit") { Description = "Quantize the frozen weights: 4 or 8." };
        var overwriteCache = new Option<bool?>("--overwrite_cache") { Description = "Tokenize again even if that was done before.", Arity = ArgumentArity.ZeroOrOne };
        foreach (var option in new Option[] { model, data, evalData, valSetSize, r, alpha, dropout, targets, maxLength, language, quantization, overwriteCache })
            command.Add(option);
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction((parsed, cancellationToken) =>
        {
            var settings = new AlpacaSettings
            {
                ModelNameOrPath = parsed.GetValue(model) ?? standard.ModelNameOrPath,
                DataPath = parsed.GetValue(data) ?? standard.DataPath,
                EvalDataPath = parsed.GetValue(evalData),
                ValSetSize = parsed.GetValue(valSetSize) ?? standard.ValSetSize,
                R = parsed.GetValue(r) ?? standard.R,
                LoraAlpha = parsed.GetValue(alpha) ?? standard.LoraAlpha,
                LoraDropout = parsed.GetValue(dropout) ?? standard.LoraDropout,
                TargetModules = parsed.GetValue(targets) is { Length: > 0 } given ? given : standard.TargetModules,
                MaxLength = parsed.GetValue(maxLength) ?? standard.MaxLength,
                PromptLanguage = parsed.GetValue(language) ?? standard.PromptLanguage,
                QuantizationBit = parsed.GetValue(quantization),
                OverwriteCache = parsed.GetValue(overwriteCache) ?? false,
            };
            new AlpacaTraining(settings, TrainingFlags.Read(parsed, Defaults), parsed.InvocationConfiguration.Output, customize).Run(cancellationToken);
            return Task.FromResult(0);
        });
    }
}
