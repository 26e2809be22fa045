using System.Collections;
using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Training;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>The fine-tuning script from its command line to its predictions: features, order, losses, log, weights, generated ids and metrics.</summary>
public sealed class PTuningScriptTests(ITestOutputHelper output)
{
    private const string Kind = "ptuning_e2e";

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Checkpoints_of_the_script_go_over_the_loaded_base(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf("expected.safetensors"));
        using var model = AutoModel.FromPretrained(recorded.PathOf("base"));
        var names = model.StateDict().Keys.ToList();
        var checkpoints = Directory.EnumerateDirectories(recorded.Folder, "checkpoint-*").OrderBy(folder => folder.Length).ThenBy(folder => folder, StringComparer.Ordinal).ToList();
        checkpoints.Should().NotBeEmpty();
        foreach (var folder in checkpoints)
        {
            var stored = AutoConfig.FromPretrained(folder);
            model.LoadAdapter(folder).Prefix.Should().BeEquivalentTo(new { stored.PreSeqLen, stored.PrefixProjection, IsWholeModel = false });
            model.StateDict().Keys.Except(names).Should().NotBeEmpty().And.OnlyContain(name => name.StartsWith("transformer.prefix_encoder."));
        }

        foreach (var name in model.StateDict().Keys.Except(names))
            model.StateDict()[name].ToFloatArray().Should().Equal(tensors.Floats("final." + name), "the last checkpoint is what training ended with");
    }

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Builds_the_recorded_features(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var (_, words) = Arguments(recorded, "train_args");
        var tokenizer = Tokenizer(recorded);
        var features = new Seq2SeqFeatures(tokenizer, DataOptions(words));
        var train = features.Train(TrainingFile.ReadRecords(recorded.PathOf("train.json"))).ToArray();
        var expected = recorded.ReadJson("train_features.json");
        Same(train.Select(row => row.InputIds), expected.GetProperty("input_ids"), "training ids");
        Same(train.Select(row => row.Labels!), expected.GetProperty("labels"), "training labels");

        var prompts = features.Evaluation(TrainingFile.ReadRecords(recorded.PathOf("dev.json"))).ToArray();
        expected = recorded.ReadJson("predict_features.json");
        Same(prompts.Select(row => row.Labels!), expected.GetProperty("labels"), "labels of prompts");
        using var scope = new TensorScope();
        var batch = new DataCollatorForSeq2Seq(tokenizer).Collate(prompts, Backend.Default);
        batch.InputIds.ToArray<long>().Should().Equal(Flat(expected.GetProperty("input_ids")));
        batch.PositionIds!.ToArray<long>().Should().Equal(Flat(expected.GetProperty("position_ids")));
        batch.AttentionMask!.ToArray<bool>().Select(hidden => hidden ? 1L : 0).Should().Equal(Flat(expected.GetProperty("attention_mask")));
        output.WriteLine($"{caseName}: {train.Length} + {prompts.Length} rows, exact");
    }

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Trains_step_by_step_as_recorded(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var run = recorded.ReadJson("run.json");
        var tolerance = recorded.Json.GetProperty("tolerance");
        var (arguments, words) = Arguments(recorded, "train_args");
        var folder = Directory.CreateTempSubdirectory("chatglm-ptuning-").FullName;
        try
        {
            using var model = Model(recorded, words);
            var expected = RecordedTensors.Read(recorded.PathOf("expected.safetensors"));
            Load(model, expected, "initial.");
            var rows = new AskedFor([.. new Seq2SeqFeatures(Tokenizer(recorded), DataOptions(words)).Train(TrainingFile.ReadRecords(recorded.PathOf("train.json")))]);
            var losses = new List<float>();
            var options = new TrainerOptions
            {
                DataCollator = new DataCollatorForSeq2Seq(Tokenizer(recorded)),
                Sampler = SamplerOfTheRecording,
                ComputeLoss = (trained, inputs) =>
                {
                    model.Eval(); // the prefix was recorded without its dropout
                    var loss = trained.Forward(inputs).Loss!;
                    losses.Add(loss.Item());
                    return loss;
                },
            };
            var trainer = new Trainer(model, arguments with { OutputDir = folder }, rows, options: options);
            rows.Indices.Clear();
            var result = trainer.Train();

            var asked = rows.Indices.Skip(rows.Count); // the memory plan looks at the rows first
            asked.Should().Equal(run.GetProperty("sample_order").EnumerateArray().Select(n => n.GetInt32()));
            var micro = new Closeness(tolerance.GetProperty("micro_loss").GetDouble());
            micro.Check("micro_loss", losses.ToArray(), run.GetProperty("micro_loss").EnumerateArray().Select(n => n.GetSingle()).ToArray());
            micro.Report(output, $"{caseName}, losses");
            var final = Closeness.From(tolerance.GetProperty("final"));
            foreach (var (name, parameter) in model.NamedParameters().Where(p => p.Parameter.RequiresGrad))
                final.Check(name, parameter.ToArray<float>(), expected.Floats("final." + name));
            final.Report(output, $"{caseName}, final weights");
            LogIsAsRecorded(trainer, run.GetProperty("log_history"), tolerance.GetProperty("micro_loss").GetDouble());
            result.GlobalStep.Should().Be(arguments.MaxSteps);
            StateFileIsAsRecorded(recorded, folder, $"checkpoint-{arguments.MaxSteps}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Goes_on_from_the_checkpoint_that_python_wrote_in_the_middle(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var run = recorded.ReadJson("run.json");
        var tolerance = recorded.Json.GetProperty("tolerance");
        var (arguments, words) = Arguments(recorded, "train_args");
        var done = arguments.MaxSteps / 2;
        var folder = Directory.CreateTempSubdirectory("chatglm-ptuning-").FullName;
        try
        {
            using var model = Model(recorded, words);
            var expected = RecordedTensors.Read(recorded.PathOf("expected.safetensors"));
            var losses = new List<float>();
            var options = new TrainerOptions
            {
                DataCollator = new DataCollatorForSeq2Seq(Tokenizer(recorded)),
                Sampler = SamplerOfTheRecording,
                ComputeLoss = (trained, inputs) =>
                {
                    model.Eval(); // the prefix was recorded without its dropout
                    var loss = trained.Forward(inputs).Loss!;
                    losses.Add(loss.Item());
                    return loss;
                },
            };
            TokenizedExample[] rows = [.. new Seq2SeqFeatures(Tokenizer(recorded), DataOptions(words)).Train(TrainingFile.ReadRecords(recorded.PathOf("train.json")))];
            var trainer = new Trainer(model, arguments with { OutputDir = folder }, rows, options: options);
            trainer.Train(recorded.PathOf($"checkpoint-{done}"));

            var micro = new Closeness(tolerance.GetProperty("micro_loss").GetDouble());
            micro.Check("micro_loss", losses.ToArray(), run.GetProperty("micro_loss").EnumerateArray().Select(n => n.GetSingle()).Skip(done * arguments.GradientAccumulationSteps).ToArray());
            micro.Report(output, $"{caseName}, losses of steps {done + 1} to {arguments.MaxSteps}");
            var final = Closeness.From(tolerance.GetProperty("final"));
            foreach (var (name, parameter) in model.NamedParameters().Where(p => p.Parameter.RequiresGrad))
                final.Check(name, parameter.ToArray<float>(), expected.Floats("final." + name));
            final.Report(output, $"{caseName}, final weights");
            LogIsAsRecorded(trainer, run.GetProperty("log_history"), tolerance.GetProperty("micro_loss").GetDouble());
            StateFileIsAsRecorded(recorded, folder, $"checkpoint-{arguments.MaxSteps}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [ConformanceTheory(Kind), CasesOf(Kind)]
    public void Predicts_from_the_checkpoint_that_python_wrote(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var run = recorded.ReadJson("run.json");
        var (arguments, words) = Arguments(recorded, "predict_args");
        var tokenizer = Tokenizer(recorded);
        using var model = Model(recorded, words);
        new TrainableModel(model).Load(recorded.PathOf(Path.GetFileName(Word(words, "ptuning_checkpoint")!)));
        var prompts = new Seq2SeqFeatures(tokenizer, DataOptions(words)).Evaluation(TrainingFile.ReadRecords(recorded.PathOf("dev.json"))).ToArray();
        var maxLength = run.GetProperty("predict_kwargs_script").GetProperty("max_length").GetInt32();
        var options = new TrainerOptions
        {
            DataCollator = new DataCollatorForSeq2Seq(tokenizer, minLength: prompts.Max(row => row.InputIds.Length)),
            Generation = new GenerationConfig { MaxLength = maxLength },
            ComputeMetrics = Seq2SeqMetrics.Of(tokenizer),
        };
        var result = new Trainer(model, arguments with { OutputDir = "unused", PredictWithGenerate = true }, options: options).Predict(prompts, "predict");

        var expected = RecordedTensors.Read(recorded.PathOf("expected.safetensors"));
        var width = (int)expected.Shape("predictions")[1];
        var padded = result.Predictions.SelectMany(row => row.Concat(Enumerable.Repeat(tokenizer.PadTokenId, width - row.Length)).Select(id => (long)id));
        padded.Should().Equal(expected.Longs("predictions"));
        var lines = File.ReadAllLines(recorded.PathOf("generated_predictions.txt")).Where(line => line.Length > 0).ToArray();
        for (var row = 0; row < lines.Length; row++)
        {
            using var line = JsonDocument.Parse(lines[row]);
            Seq2SeqMetrics.Decode(tokenizer, result.Predictions[row]).Should().Be(line.RootElement.GetProperty("predict").GetString());
            Seq2SeqMetrics.Decode(tokenizer, prompts[row].Labels!).Should().Be(line.RootElement.GetProperty("labels").GetString());
        }

        var bleu = recorded.ReadJson("predict_results.json").GetProperty("predict_bleu-4").GetDouble();
        result.Metrics["predict_bleu-4"].Should().BeApproximately(bleu, 1e-9);
        output.WriteLine($"{caseName}: {lines.Length} predictions, exact; BLEU-4 {bleu}");
    }

    /// <summary>The run was recorded with a sampler that made its list before the loader drew the base seed of its workers; the trainer's own order is held to rng/orders.json.</summary>
    private static int[] SamplerOfTheRecording(int samples, TorchGenerator generator)
    {
        var order = new int[samples];
        new TorchGenerator((ulong)generator.NextInt64()).RandPerm(order);
        _ = generator.NextInt64();
        return order;
    }

    private static void LogIsAsRecorded(Trainer trainer, JsonElement history, double tolerance)
    {
        var expected = history.EnumerateArray().ToArray();
        trainer.State.LogHistory.Should().HaveCount(expected.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            foreach (var (key, value) in expected[i].EnumerateObject().Select(p => (p.Name, p.Value.GetDouble())))
            {
                var actual = trainer.State.LogHistory[i].Should().ContainKey(key).WhoseValue;
                if (key is "train_runtime" or "train_samples_per_second" or "train_steps_per_second")
                    continue;
                actual.Should().BeApproximately(value, key.EndsWith("loss", StringComparison.Ordinal) ? tolerance : 1e-12, "log entry {0}, {1}", i, key);
            }
        }
    }

    private static void StateFileIsAsRecorded(ConformanceCase recorded, string folder, string checkpoint)
    {
        using var written = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, checkpoint, "trainer_state.json")));
        foreach (var property in recorded.ReadJson(Path.Combine(checkpoint, "trainer_state.json")).EnumerateObject())
        {
            written.RootElement.TryGetProperty(property.Name, out var value).Should().BeTrue("Python's file has '{0}'", property.Name);
            if (property.Name != "log_history")
                value.GetRawText().Should().Be(property.Value.GetRawText(), property.Name);
        }
    }

    private static ChatGLMForConditionalGeneration Model(ConformanceCase recorded, IReadOnlyList<string> words)
    {
        var length = Word(words, "pre_seq_len") is { } text ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : (int?)null;
        return AutoModel.FromPretrained(recorded.PathOf("base"), new ModelOptions { PreSeqLen = length, PrefixProjection = words.Contains("--prefix_projection"), Dtype = DType.Float32 });
    }

    private static void Load(ChatGLMForConditionalGeneration model, RecordedTensors tensors, string prefix)
    {
        using var scope = new TensorScope();
        var state = model.NamedParameters().Where(p => p.Parameter.RequiresGrad)
            .ToDictionary(p => p.Name, p => Tensor.From(tensors.Floats(prefix + p.Name), p.Parameter.Shape, model.Backend));
        state.Should().NotBeEmpty();
        model.LoadStateDict(state, strict: false);
    }

    /// <summary>The tokenizer of the base; where the base has no vocabulary of its own, that of the recorded tokenizers whose generation it is.</summary>
    private static ChatGLMTokenizer Tokenizer(ConformanceCase recorded)
    {
        var generation = AutoConfig.FromPretrained(recorded.PathOf("base")) is ChatGLM6BConfig ? ChatGLMGeneration.ChatGLM6B : ChatGLMGeneration.ChatGLM2;
        var folders = Directory.EnumerateFiles(recorded.PathOf("base"), "*.model").Any()
            ? [recorded.PathOf("base")]
            : ConformanceFolder.OfKind("tokenizer").Select(other => other.Folder);
        return folders.Select(folder => AutoTokenizer.FromPretrained(folder)).First(tokenizer => tokenizer.Generation == generation);
    }

    private static (TrainingArguments Arguments, IReadOnlyList<string> Words) Arguments(ConformanceCase recorded, string name) =>
        TrainingArguments.Parse([.. recorded.ReadJson("run.json").GetProperty(name).EnumerateArray().Select(word => word.GetString()!)]);

    private static Seq2SeqOptions DataOptions(IReadOnlyList<string> words) => new()
    {
        PromptColumn = Word(words, "prompt_column")!,
        ResponseColumn = Word(words, "response_column")!,
        HistoryColumn = Word(words, "history_column"),
        MaxSourceLength = int.Parse(Word(words, "max_source_length")!, System.Globalization.CultureInfo.InvariantCulture),
        MaxTargetLength = int.Parse(Word(words, "max_target_length")!, System.Globalization.CultureInfo.InvariantCulture),
    };

    private static string? Word(IReadOnlyList<string> words, string name)
    {
        for (var i = 0; i + 1 < words.Count; i++)
        {
            if (words[i] == "--" + name)
                return words[i + 1];
        }

        return null;
    }

    private static void Same(IEnumerable<int[]> actual, JsonElement expected, string what)
    {
        var rows = actual.ToArray();
        rows.Should().HaveCount(expected.GetArrayLength());
        for (var row = 0; row < rows.Length; row++)
            rows[row].Should().Equal(expected[row].EnumerateArray().Select(n => n.GetInt32()), "{0}, row {1}", what, row);
    }

    private static IEnumerable<long> Flat(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.EnumerateArray().SelectMany(Flat),
        JsonValueKind.True => [1],
        JsonValueKind.False => [0],
        _ => [value.GetInt64()],
    };

    /// <summary>Rows that note which of them were asked for.</summary>
    private sealed class AskedFor(TokenizedExample[] rows) : IReadOnlyList<TokenizedExample>
    {
        public List<int> Indices { get; } = [];

        public int Count => rows.Length;

        public TokenizedExample this[int index]
        {
            get
            {
                Indices.Add(index);
                return rows[index];
            }
        }

        public IEnumerator<TokenizedExample> GetEnumerator() => rows.AsEnumerable().GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
