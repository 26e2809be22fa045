using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;
using ChatGLM.Training;

namespace ChatGLM.Tool.Evaluating;

/// <summary>Lets a model answer the questions of a file and compares with the answers there, as THUDM's script does under <c>--do_predict</c>.</summary>
internal sealed class AnswerEvaluation(EvaluateSettings settings, OpenedModel opened, ToolProgress progress)
{
    private const int IgnoredLabel = -100;

    /// <returns>ROUGE and BLEU in percent, and how many answers they are of.</returns>
    public (IReadOnlyDictionary<string, double> Scores, int Samples) Run(string file, CancellationToken cancellationToken)
    {
        var rows = Read(file);
        var options = new TrainerOptions
        {
            DataCollator = new DataCollatorForSeq2Seq(opened.Tokenizer, IgnoredLabel, minLength: rows.Max(row => row.InputIds.Length)),
            // The script samples, whatever the model's own options are.
            Generation = settings.Configure(opened.Model.GenerationConfig with
            {
                DoSample = true, TopP = 0.7, Temperature = 0.95, MaxLength = settings.MaxSourceLength + settings.MaxTargetLength + 1, MaxNewTokens = null, Seed = 42,
            }),
            Callbacks = [new Watcher(progress, rows.Count, settings.BatchSize), new PrinterCallback(TextWriter.Null)],
        };
        var arguments = new TrainingArguments { OutputDir = Path.GetTempPath(), PredictWithGenerate = true, PerDeviceEvalBatchSize = settings.BatchSize };
        var result = new Trainer(opened.Model, arguments, options: options).Predict(rows, "predict", cancellationToken);
        var texts = result.Predictions.Zip(result.LabelIds!, (predicted, label) => (Predicted: Text(predicted), Label: Text(label))).ToList();
        if (settings.PredictionsFile is { } path)
            GeneratedPredictions.Write(path, texts.Select(text => (text.Label, text.Predicted)));
        var segmenter = new JiebaSegmenter(settings.JiebaDictionary is { } dictionary ? JiebaDictionary.FromFile(dictionary) : null);
        return (Seq2SeqMetrics.Of(opened.Tokenizer, segmenter)(new EvalPrediction(result.Predictions, result.LabelIds!)), rows.Count);
    }

    private List<TokenizedExample> Read(string file)
    {
        var records = TrainingFile.ReadRecords(file);
        var first = records.FirstOrDefault() ?? throw new TrainingDataException(file, "there is no record in it.");
        var columns = (settings.PromptColumn, settings.ResponseColumn) is ({ } prompt, { } response) ? new DataColumns(prompt, response) : DataColumns.Detect(first);
        var features = new Seq2SeqFeatures(opened.Tokenizer, new Seq2SeqOptions
        {
            PromptColumn = settings.PromptColumn ?? columns.Prompt,
            ResponseColumn = settings.ResponseColumn ?? columns.Response,
            InputColumn = settings.PromptColumn is null ? columns.Input : null,
            HistoryColumn = settings.HistoryColumn ?? columns.History,
            SourcePrefix = settings.SourcePrefix,
            MaxSourceLength = settings.MaxSourceLength,
            MaxTargetLength = settings.MaxTargetLength,
        });
        var rows = features.Evaluation(settings.MaxSamples is { } most ? records.Take(most) : records).ToList();
        return rows.Count > 0 ? rows : throw new TrainingDataException(file, "none of its records holds a question.");
    }

    private string Text(IReadOnlyList<int> ids) => Seq2SeqMetrics.Decode(opened.Tokenizer, ids, cleanUpTokenizationSpaces: true).Trim();

    private sealed class Watcher(ToolProgress progress, int rows, int batchSize) : TrainerCallback
    {
        public override void OnPredictionStep(TrainerContext context)
        {
            if (context.Prediction is { } at)
                progress.Report(new ProgressReport("answering", Math.Min((long)at.Batch * batchSize, rows), rows, "questions"));
        }
    }
}
