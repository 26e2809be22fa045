using System.CommandLine;
using ChatGLM.Training;

namespace ChatGLM.Samples.PTuning;

/// <summary>The flags of THUDM's <c>ptuning/main.py</c>, and those that ChatGLM3's <c>finetune.py</c> has besides.</summary>
internal static class PTuningCommand
{
    /// <summary>Flags that Python's script takes and that change nothing here, or nothing there either.</summary>
    private static readonly string[] WithoutEffect =
    [
        "config_name", "use_fast_tokenizer", "no_use_fast_tokenizer", "use_auth_token", "resize_position_embeddings", "lang", "dataset_config_name", "pad_to_max_length", "forced_bos_token",
    ];

    /// <summary>What it does.</summary>
    public static string Description => $"""
        Fine-tunes a ChatGLM model with a prefix (P-Tuning v2) or whole, and predicts with it: THUDM's ptuning/main.py. Its train.sh and evaluate.sh, and those of ChatGLM3's finetune_chatmodel_demo, run with the program's name changed.
        A JSON file of arguments can stand in place of all flags.
        {TrainingFlags.Help()}
        """;

    /// <summary>The words of a command line, or of the JSON file that is its only word.</summary>
    public static IReadOnlyList<string> Words(IReadOnlyList<string> args) => ArgumentFile.Normalize(args.Count == 0 ? ["--help"] : ArgumentFile.Expand(args));

    /// <summary>The command. It trains and predicts with what the flags say.</summary>
    /// <param name="customize">Changes what the trainer is given; tests compare with recorded runs that way.</param>
    public static RootCommand Create(Func<TrainerOptions, TrainerOptions>? customize = null)
    {
        var command = new RootCommand(Description);
        AddTo(command, customize);
        return command;
    }

    /// <summary>Makes a command this one.</summary>
    /// <param name="command">A command without flags.</param>
    /// <param name="customize">Changes what the trainer is given.</param>
    public static void AddTo(Command command, Func<TrainerOptions, TrainerOptions>? customize = null)
    {
        var model = Text("model_name_or_path", "A snapshot folder, or a repo id, which is downloaded if the Hugging Face cache does not hold it. Default: the small demonstration model.");
        var tokenizer = Text("tokenizer_name", "The folder or repo of the tokenizer, if not that of the model.");
        var checkpoint = Text("ptuning_checkpoint", "A checkpoint-N folder whose prefix is loaded, written here or by Python.");
        var cacheDir = Text("cache_dir", "Where models and tokenized data are kept. Default: the usual caches.");
        var revision = Text("model_revision", "The branch, tag or commit of the repo.");
        var quantization = Number("quantization_bit", "Quantize the frozen weights: 4 or 8.");
        var preSeqLen = Number("pre_seq_len", "The length of the prefix that is trained (P-Tuning v2). Without it the whole model is trained.");
        var projection = Flag("prefix_projection", "Make the prefix with a small network.");
        var datasetName = Text("dataset_name", "Not supported: name files.");
        var trainFile = Text("train_file", "JSON, JSON lines or CSV to train on.");
        var validationFile = Text("validation_file", "What --do_eval evaluates on.");
        var testFile = Text("test_file", "What --do_predict predicts.");
        var trainFormat = Text("train_format", "For ChatGLM3, as its demo has it: multi-turn for conversations with roles and tools, input-output for prompt and response. Trains without --do_train.");
        trainFormat.AcceptOnlyFromAmong("multi-turn", "input-output");
        var maxSeq = Number("max_seq_length", "The most tokens of a conversation. Default: 1024.");
        var prompt = Text("prompt_column", "The column of questions. Default: known by the names of the columns.");
        var response = Text("response_column", "The column of answers.");
        var history = Text("history_column", "The column of the rounds before: [[question, answer], ...].");
        var overwriteCache = Flag("overwrite_cache", "Tokenize again even if that was done before.");
        var workers = Number("preprocessing_num_workers", "How many records are tokenized at the same time. Default: one per core.");
        var maxSource = Number("max_source_length", "The most tokens of a question. Default: 1024.");
        var maxTarget = Number("max_target_length", "The most tokens of an answer. Default: 128.");
        var valMaxTarget = Number("val_max_target_length", "The same in evaluation. Default: max_target_length.");
        var maxTrain = Number("max_train_samples", "Use only so many records.");
        var maxEval = Number("max_eval_samples", "Use only so many records.");
        var maxPredict = Number("max_predict_samples", "Use only so many records.");
        var numBeams = Number("num_beams", "The beams of generation.");
        var ignorePad = Flag("ignore_pad_token_for_loss", "Whether padding does not count in the loss. Default: true.");
        var noIgnorePad = Flag("no_ignore_pad_token_for_loss", "Padding counts in the loss.");
        var sourcePrefix = Text("source_prefix", "Put before every question.");
        var jiebaDict = Text("jieba_dict", "A dictionary in jieba's form for the words of ROUGE. Default: the small one of this library.");

        foreach (var option in new Option[]
        {
            model, tokenizer, checkpoint, cacheDir, revision, quantization, preSeqLen, projection, datasetName, trainFile, validationFile, testFile, trainFormat, maxSeq, prompt, response, history,
            overwriteCache, workers, maxSource, maxTarget, valMaxTarget, maxTrain, maxEval, maxPredict, numBeams, ignorePad, noIgnorePad, sourcePrefix, jiebaDict,
        })
        {
            command.Add(option);
        }

        foreach (var name in WithoutEffect)
            command.Add(new Option<string?>("--" + name) { Hidden = true, Arity = ArgumentArity.ZeroOrOne });
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction((parsed, cancellationToken) =>
        {
            if (parsed.GetValue(datasetName) is not null)
                throw new TrainingArgumentsException("dataset_name", "data sets of the hub are not read. Download the files, and name them with train_file, validation_file and test_file.");
            var training = TrainingFlags.Read(parsed);
            // The script always recomputes layers in the backward pass; here that can be switched off.
            if (!TrainingFlags.IsGiven(parsed, "gradient_checkpointing") && !TrainingFlags.IsGiven(parsed, "no_gradient_checkpointing"))
                training = training with { GradientCheckpointing = true };
            // ChatGLM3's demo does nothing else than train, and goes on only if there is something to go on from.
            if (parsed.GetValue(trainFormat) is not null)
            {
                var isNew = !Directory.Exists(training.OutputDir) || !Directory.EnumerateDirectories(training.OutputDir, "checkpoint-*").Any();
                training = training with { DoTrain = true, ResumeFromCheckpoint = isNew && bool.TryParse(training.ResumeFromCheckpoint, out _) ? null : training.ResumeFromCheckpoint };
            }

            var models = new ModelArguments();
            var data = new DataTrainingArguments();
            models = models with
            {
                ModelNameOrPath = parsed.GetValue(model) ?? models.ModelNameOrPath,
                TokenizerName = parsed.GetValue(tokenizer),
                PtuningCheckpoint = parsed.GetValue(checkpoint),
                CacheDir = parsed.GetValue(cacheDir),
                ModelRevision = parsed.GetValue(revision),
                QuantizationBit = parsed.GetValue(quantization),
                PreSeqLen = parsed.GetValue(preSeqLen),
                PrefixProjection = parsed.GetValue(projection) ?? false,
            };
            data = data with
            {
                TrainFile = parsed.GetValue(trainFile),
                ValidationFile = parsed.GetValue(validationFile),
                TestFile = parsed.GetValue(testFile),
                TrainFormat = parsed.GetValue(trainFormat),
                MaxSeqLength = parsed.GetValue(maxSeq) ?? data.MaxSeqLength,
                PromptColumn = parsed.GetValue(prompt),
                ResponseColumn = parsed.GetValue(response),
                HistoryColumn = parsed.GetValue(history),
                OverwriteCache = parsed.GetValue(overwriteCache) ?? false,
                PreprocessingNumWorkers = parsed.GetValue(workers),
                MaxSourceLength = parsed.GetValue(maxSource) ?? data.MaxSourceLength,
                MaxTargetLength = parsed.GetValue(maxTarget) ?? data.MaxTargetLength,
                ValMaxTargetLength = parsed.GetValue(valMaxTarget),
                MaxTrainSamples = parsed.GetValue(maxTrain),
                MaxEvalSamples = parsed.GetValue(maxEval),
                MaxPredictSamples = parsed.GetValue(maxPredict),
                NumBeams = parsed.GetValue(numBeams),
                IgnorePadTokenForLoss = parsed.GetValue(noIgnorePad) is { } no ? !no : parsed.GetValue(ignorePad) ?? true,
                SourcePrefix = parsed.GetValue(sourcePrefix) ?? "",
                JiebaDict = parsed.GetValue(jiebaDict),
            };
            new PTuningScript(models, data, training, parsed.InvocationConfiguration.Output, customize).Run(cancellationToken);
            return Task.FromResult(0);
        });
    }

    private static Option<string?> Text(string name, string description) => new("--" + name) { Description = description };

    private static Option<int?> Number(string name, string description) => new("--" + name) { Description = description };

    private static Option<bool?> Flag(string name, string description) => new("--" + name) { Description = description, Arity = ArgumentArity.ZeroOrOne };
}
