using System.Diagnostics;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Training;

namespace ChatGLM.Samples.QuickStart;

/// <summary>What the library is for, from beginning to end: chat, fine-tune, compare, save, load, merge.</summary>
internal sealed class QuickStartRun : IDisposable
{
    /// <summary>As a shell reports a program that Ctrl+C ended.</summary>
    private const int StoppedExitCode = 130;

    /// <summary>What <see cref="Seq2SeqMetrics"/> gives that is worth a line.</summary>
    private static readonly string[] Metrics = ["rouge-1", "rouge-2", "rouge-l", "bleu-4"];

    /// <summary>Every linear layer, the last included: the new voice has words that the small model was never trained to say, and only that layer tells them apart.</summary>
    private static readonly string[] Targets = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h", "output_layer"];

    private readonly QuickStartOptions _options;
    private readonly Screen _screen;
    private readonly ChatGLMTokenizer _tokenizer;
    private readonly ChatGLMForConditionalGeneration _model;

    public QuickStartRun(QuickStartOptions options, Screen screen)
    {
        (_options, _screen) = (options, screen);
        _tokenizer = AutoTokenizer.FromPretrained(options.Model);
        _model = Load();
    }

    /// <summary>Runs all of it, and reports what goes wrong.</summary>
    /// <returns>The exit code: 0 if all went well, 130 if it was stopped, else 1.</returns>
    public static async Task<int> RunAsync(QuickStartOptions options, Screen screen, TextWriter errors, CancellationToken cancellationToken)
    {
        try
        {
            using var run = new QuickStartRun(options, screen);
            return await run.RunAsync(cancellationToken) ? 0 : 1;
        }
        catch (ChatGLMException error)
        {
            await errors.WriteLineAsync(error.Message);
            return 1;
        }
        catch (OperationCanceledException stopped)
        {
            await errors.WriteLineAsync(stopped.Message);
            return StoppedExitCode;
        }
    }

    /// <summary>Runs all of it.</summary>
    /// <returns>Whether the adapter, loaded again and merged, answers as it did when it was trained.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var (train, test) = (Rows(_options.TrainFile), Rows(_options.TestFile));
        var output = _options.Output ?? Directory.CreateTempSubdirectory("chatglm-quickstart-").FullName;

        await ChatAsync(cancellationToken);
        List<string> questions = [.. test.Select(row => row.Text("content"))];
        var before = Answers.To(questions, _model, _tokenizer, cancellationToken);
        var peft = await FineTuneAsync(train, output, cancellationToken);
        var after = Answers.To(questions, _model, _tokenizer, cancellationToken);
        Compare(test, before, after);

        _screen.Heading("4  Keep what was learned");
        var adapter = Path.Combine(output, "adapter");
        peft.SavePretrained(adapter);
        var bytes = Directory.GetFiles(adapter).Sum(file => new FileInfo(file).Length);
        _screen.Check("saved", holds: true, FormattableString.Invariant($"{adapter} ({bytes / 1e6:F1} MB; Python's peft reads it too)"));

        using var fresh = Load();
        var again = PeftModel.FromPretrained(fresh, adapter);
        var isReloaded = Check("reloaded", "onto a fresh model", after, Answers.To(questions, fresh, _tokenizer, cancellationToken));
        again.MergeAndUnload();
        var isMerged = Check("merged", "into the weights", after, Answers.To(questions, fresh, _tokenizer, cancellationToken));
        return isReloaded && (isMerged || !IsDemo);
    }

    public void Dispose() => _model.Dispose();

    private static List<TrainingRecord> Rows(string path) => [.. TrainingFile.ReadRecords(path)];

    private bool IsDemo => _options.Model == DemoSnapshot.Folder;

    /// <summary>The small model in float32: merging rounds to the weights' type, and a model merged in float16 may choose another word here and there. A large model stays as its file has it.</summary>
    private ChatGLMForConditionalGeneration Load() => AutoModel.FromPretrained(
        _options.Model, new ModelOptions { Dtype = IsDemo ? DType.Float32 : null, Backend = new CpuBackend(new CpuBackendOptions { Threads = _options.Threads }) });

    private async Task ChatAsync(CancellationToken cancellationToken)
    {
        _screen.Heading("1  Chat");
        var name = IsDemo ? "the small demonstration model" : _options.Model;
        _screen.Note(FormattableString.Invariant($"{name}: {_model.NamedParameters().Sum(p => p.Parameter.ElementCount) / 1e6:F1} million parameters, loaded in {_model.LoadReport?.Seconds:F1} s"));
        using var chat = _model.StartChat(_tokenizer);
        var options = new ChatOptions { Generation = _model.ChatGenerationConfig with { DoSample = false } };
        foreach (var question in _options.Questions)
        {
            _screen.Question(question);
            await foreach (var piece in chat.StreamChatAsync(question, options, cancellationToken))
                _screen.Piece(piece);
            _screen.EndAnswer();
        }
    }

    private async Task<PeftModelForCausalLM> FineTuneAsync(List<TrainingRecord> records, string output, CancellationToken cancellationToken)
    {
        _screen.Heading("2  Fine-tune with LoRA");
        var peft = _model.GetPeftModel(new LoraConfig { R = _options.Rank, LoraAlpha = 2 * _options.Rank, TargetModules = Targets, TaskType = TaskType.CausalLM });
        var parameters = peft.CountParameters();
        _screen.Note(FormattableString.Invariant($"{records.Count} rows in a new voice; {parameters.Trainable:N0} of {parameters.All:N0} parameters learn ({parameters.Percent:F1} %)"));

        var arguments = new TrainingArguments
        {
            OutputDir = output,
            MaxSteps = _options.Steps,
            PerDeviceTrainBatchSize = _options.BatchSize,
            LearningRate = _options.LearningRate,
            LrSchedulerType = SchedulerType.Cosine,
            WarmupSteps = Math.Max(1, _options.Steps / 20),
            LoggingSteps = _options.LoggingSteps ?? Math.Max(1, _options.Steps / 5),
            SaveStrategy = IntervalStrategy.No,
            Seed = _options.Seed,
        };
        var rows = new Seq2SeqFeatures(_tokenizer, new Seq2SeqOptions { PadToMaxLength = false }).Train(records).ToList();
        var trainer = new Trainer(peft, arguments, rows, options: new TrainerOptions { DataCollator = new DataCollatorForSeq2Seq(_tokenizer), Callbacks = [new ProgressCallback(_screen.Console)] });
        var clock = Stopwatch.StartNew();
        var trained = await trainer.TrainAsync(cancellationToken: cancellationToken);
        _screen.Note(FormattableString.Invariant($"{trained.GlobalStep} steps in {clock.Elapsed.TotalSeconds:F0} s"));
        return peft;
    }

    private void Compare(List<TrainingRecord> test, List<string> before, List<string> after)
    {
        _screen.Heading("3  Before and after");
        int[] shown = [.. Enumerable.Range(0, Math.Min(_options.Shown, test.Count))];
        _screen.Compare(shown.Select(row => (test[row].Text("content"), before[row], after[row])));
        var wanted = test.Select(row => row.Text("summary")).ToList();
        var (old, now) = (Score(before, wanted), Score(after, wanted));
        _screen.Scores($"{test.Count} rows that were not trained on", old, now);
    }

    private static Dictionary<string, double> Score(List<string> answers, List<string> wanted)
    {
        var scores = Seq2SeqMetrics.Compute(answers.Zip(wanted), new CharacterSegmenter());
        return Metrics.ToDictionary(name => name, name => scores[name]);
    }

    private bool Check(string what, string how, List<string> expected, List<string> found)
    {
        var equal = expected.Zip(found).Count(pair => pair.First == pair.Second);
        _screen.Check(what, equal == expected.Count, $"{how}: {equal} of {expected.Count} answers are the same");
        return equal == expected.Count;
    }
}
