using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Training;

namespace ChatGLM.Samples.PTuning;

/// <summary>
/// THUDM's <c>ptuning/main.py</c>, and the <c>finetune.py</c> of ChatGLM3's <c>finetune_chatmodel_demo</c>: loads a model and puts a prefix before it, or trains the whole of it; trains, evaluates and predicts; and writes checkpoints and results as the script does.
/// </summary>
/// <param name="models">Which model.</param>
/// <param name="data">Which data.</param>
/// <param name="training">How to train.</param>
/// <param name="output">Where to report.</param>
/// <param name="customize">Changes what the trainer is given.</param>
internal sealed class PTuningScript(
    ModelArguments models, DataTrainingArguments data, TrainingArguments training, TextWriter output, Func<TrainerOptions, TrainerOptions>? customize = null)
{
    private const string PredictionsFile = "generated_predictions.txt";

    /// <summary>Does what the arguments say.</summary>
    public void Run(CancellationToken cancellationToken)
    {
        if (!training.DoTrain && !training.DoEval && !training.DoPredict)
        {
            output.WriteLine("There is nothing to do. Please pass --do_train, --do_eval and/or --do_predict.");
            return;
        }

        // What can be wrong with the flags is said before a model of gigabytes is loaded.
        var trainFile = training.DoTrain ? Needed(data.TrainFile, "do_train", "train_file") : null;
        var validationFile = training.DoEval ? Needed(data.ValidationFile, "do_eval", "validation_file") : null;
        var testFile = training.DoPredict ? Needed(data.TestFile, "do_predict", "test_file") : null;
        Check();
        var segmenter = new JiebaSegmenter(data.JiebaDict is { } dictionary ? JiebaDictionary.FromFile(dictionary) : null);
        var tokenizer = AutoTokenizer.FromPretrained(models.TokenizerName ?? models.ModelNameOrPath, new TokenizerOptions { CacheDir = models.CacheDir, Revision = models.ModelRevision });
        using var train = Open(trainFile, tokenizer, isTraining: true, data.MaxTrainSamples, cancellationToken);
        using var evaluation = Open(validationFile, tokenizer, isTraining: false, data.MaxEvalSamples, cancellationToken);
        using var test = Open(testFile, tokenizer, isTraining: false, data.MaxPredictSamples, cancellationToken);
        if ((train ?? evaluation ?? test) is { Count: > 0 } rows)
            WriteExample(tokenizer, rows[0]);
        using var model = LoadModel(cancellationToken);

        // The script pads all the prompts of a data set to one length, and that counts in the greatest length of what is generated.
        var prompts = new[] { evaluation, test }.SelectMany(of => of ?? Enumerable.Empty<TokenizedExample>()).Select(row => row.InputIds.Length).DefaultIfEmpty().Max();
        var options = new TrainerOptions
        {
            DataCollator = new DataCollatorForSeq2Seq(tokenizer, data.IgnorePadTokenForLoss ? -100 : tokenizer.PadTokenId, minLength: prompts),
            ComputeMetrics = training.PredictWithGenerate ? Seq2SeqMetrics.Of(tokenizer, segmenter) : null,
            Generation = model.GenerationConfig with
            {
                DoSample = true,
                TopP = 0.7,
                Temperature = 0.95,
                MaxLength = data.MaxSourceLength + data.MaxTargetLength + 1,
                MaxNewTokens = null,
                NumBeams = data.NumBeams ?? training.GenerationNumBeams ?? 1,
                Seed = training.Seed,
            },
            Logger = new ConsoleLog(output),
        };
        var trainer = new Trainer(new ScriptModel(model, tokenizer), training, train, evaluation, customize?.Invoke(options) ?? options);
        if (train is not null)
            Train(trainer, train.Count, cancellationToken);
        if (evaluation is not null)
            Report(trainer, "eval", trainer.Evaluate(cancellationToken: cancellationToken), evaluation.Count);
        if (test is not null)
            Predict(trainer, tokenizer, test, cancellationToken);
    }

    private void Train(Trainer trainer, int samples, CancellationToken cancellationToken)
    {
        var result = trainer.Train(cancellationToken: cancellationToken);
        // Python's progress bar takes this one out of the metrics before the script writes them.
        Report(trainer, "train", result.Metrics.Where(metric => metric.Key != "total_flos").ToDictionary(), samples);
        trainer.SaveState();
        // ChatGLM3's demo also leaves what it trained in the output folder itself.
        if (data.TrainFormat is not null)
            trainer.SaveModel();
    }

    private void Predict(Trainer trainer, ChatGLMTokenizer tokenizer, TokenizedDataset test, CancellationToken cancellationToken)
    {
        var result = trainer.Predict(test, "predict", cancellationToken);
        Report(trainer, "predict", result.Metrics, test.Count);
        if (!training.PredictWithGenerate || result.LabelIds is null)
            return;
        var path = Path.Combine(training.OutputDir, PredictionsFile);
        GeneratedPredictions.Write(path, result.LabelIds.Zip(result.Predictions, (labels, predicted) => (Text(tokenizer, labels), Text(tokenizer, predicted))));
        output.WriteLine($"The answers are in {path}.");
    }

    private void Report(Trainer trainer, string split, IReadOnlyDictionary<string, double> metrics, int samples)
    {
        var reported = new Dictionary<string, double>(metrics) { [split + "_samples"] = samples };
        MetricsText.Write(output, split, reported);
        trainer.SaveMetrics(split, reported);
    }

    private void Check()
    {
        if (models.QuantizationBit is { } bits and not (4 or 8))
            throw new TrainingArgumentsException("quantization_bit", $"expected 4 or 8, found {bits}.");
        if (models.PreSeqLen is { } length and < 1)
            throw new TrainingArgumentsException("pre_seq_len", $"expected 1 or more, found {length}.");
        if (models is { QuantizationBit: not null, PreSeqLen: null } && training.DoTrain)
            throw new TrainingArgumentsException("quantization_bit", "quantized weights cannot be trained. Give a pre_seq_len to train a prefix over them, or leave quantization_bit out.");
        if (models is { PtuningCheckpoint: not null, PreSeqLen: null })
            throw new TrainingArgumentsException("pre_seq_len", "a ptuning_checkpoint is a prefix: give the length that it was trained with.");
    }

    private ChatGLMForConditionalGeneration LoadModel(CancellationToken cancellationToken)
    {
        var options = new ModelOptions
        {
            CacheDir = models.CacheDir,
            Revision = models.ModelRevision,
            PreSeqLen = models.PreSeqLen,
            PrefixProjection = models.PreSeqLen is null ? null : models.PrefixProjection,
            QuantizationBit = models.QuantizationBit,
            // The whole model is trained in float32; below a prefix the weights stay as they are in their file.
            Dtype = models.PreSeqLen is null && training.DoTrain ? DType.Float32 : null,
            Seed = unchecked((ulong)training.Seed),
            CancellationToken = cancellationToken,
        };
        var model = AutoModel.FromPretrained(models.ModelNameOrPath, options);
        try
        {
            if (models.QuantizationBit is { } bits)
                output.WriteLine($"Quantized to {bits} bit");
            if (models.PtuningCheckpoint is { } checkpoint)
                new TrainableModel(model).Load(checkpoint);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private TokenizedDataset? Open(string? file, ChatGLMTokenizer tokenizer, bool isTraining, int? maxSamples, CancellationToken cancellationToken)
    {
        if (file is null)
            return null;
        var rows = TokenizedDataset.Open(file, Features(file, tokenizer, isTraining), new TokenizedDatasetOptions
        {
            CacheFolder = models.CacheDir is { } folder ? Path.Combine(folder, "rows") : null,
            OverwriteCache = data.OverwriteCache,
            MaxSamples = maxSamples,
            NumWorkers = data.PreprocessingNumWorkers,
            Logger = new ConsoleLog(output),
        }, cancellationToken);
        if (rows.Count > 0)
            return rows;
        rows.Dispose();
        throw new TrainingDataException(file, "none of its records holds anything to learn: a question and an answer, or something that the assistant says.");
    }

    private IFeatureBuilder Features(string file, ChatGLMTokenizer tokenizer, bool isTraining)
    {
        if (data.TrainFormat == "multi-turn")
        {
            var conversations = new ConversationFeatures(tokenizer, new() { MaxSeqLength = data.MaxSeqLength, PadToMaxLength = true, MaxInputLength = data.MaxSourceLength, MaxOutputLength = data.MaxTargetLength });
            return isTraining ? conversations.Training : conversations.Prompts;
        }

        var columns = (data.PromptColumn, data.ResponseColumn, data.TrainFormat) switch
        {
            ({ } prompt, { } response, _) => new DataColumns(prompt, response),
            (null, null, not null) => new DataColumns("prompt", "response"),
            _ => DataColumns.Detect(TrainingFile.ReadRecords(file).FirstOrDefault() ?? throw new TrainingDataException(file, "there is no record in it.")),
        };
        var features = new Seq2SeqFeatures(tokenizer, new Seq2SeqOptions
        {
            PromptColumn = data.PromptColumn ?? columns.Prompt,
            ResponseColumn = data.ResponseColumn ?? columns.Response,
            InputColumn = data.PromptColumn is null ? columns.Input : null,
            HistoryColumn = data.HistoryColumn ?? columns.History,
            SourcePrefix = data.SourcePrefix,
            MaxSourceLength = data.MaxSourceLength,
            MaxTargetLength = isTraining ? data.MaxTargetLength : data.ValMaxTargetLength ?? data.MaxTargetLength,
            IgnorePadTokenForLoss = data.IgnorePadTokenForLoss,
        });
        return isTraining ? features.Training : features.Prompts;
    }

    private void WriteExample(ChatGLMTokenizer tokenizer, TokenizedExample row)
    {
        output.WriteLine($"input_ids [{string.Join(", ", row.InputIds)}]");
        output.WriteLine($"inputs {tokenizer.Decode(row.InputIds)}");
        output.WriteLine($"label_ids [{string.Join(", ", row.Labels!)}]");
        output.WriteLine($"labels {Seq2SeqMetrics.Decode(tokenizer, row.Labels!)}");
    }

    private static string Text(ChatGLMTokenizer tokenizer, IReadOnlyList<int> ids) => Seq2SeqMetrics.Decode(tokenizer, ids, cleanUpTokenizationSpaces: true).Trim();

    private static string Needed(string? file, string flag, string name) => file switch
    {
        null => throw new TrainingArgumentsException(flag, $"it needs a --{name}."),
        _ when !File.Exists(file) => throw new TrainingArgumentsException(name, $"there is no file '{file}'."),
        _ => file,
    };
}
