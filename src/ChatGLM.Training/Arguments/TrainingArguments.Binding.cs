using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace ChatGLM.Training;

public partial record TrainingArguments
{
    private const int LargestFileBytes = 1 << 20;

    private static readonly TrainingArgumentField[] Fields =
    [
        TrainingArgumentField.Text(nameof(OutputDir), a => a.OutputDir, (a, v) => a with { OutputDir = v! }),
        TrainingArgumentField.Flag(nameof(OverwriteOutputDir), a => a.OverwriteOutputDir, (a, v) => a with { OverwriteOutputDir = v }),
        TrainingArgumentField.Flag(nameof(DoTrain), a => a.DoTrain, (a, v) => a with { DoTrain = v }),
        TrainingArgumentField.Flag(nameof(DoEval), a => a.DoEval, (a, v) => a with { DoEval = v }),
        TrainingArgumentField.Flag(nameof(DoPredict), a => a.DoPredict, (a, v) => a with { DoPredict = v }),
        TrainingArgumentField.Choice(nameof(EvaluationStrategy), a => a.EvaluationStrategy, (a, v) => a with { EvaluationStrategy = v }),
        TrainingArgumentField.Flag(nameof(PredictionLossOnly), a => a.PredictionLossOnly, (a, v) => a with { PredictionLossOnly = v }),
        TrainingArgumentField.Whole(nameof(PerDeviceTrainBatchSize), a => a.PerDeviceTrainBatchSize, (a, v) => a with { PerDeviceTrainBatchSize = (int)v! }),
        TrainingArgumentField.Whole(nameof(PerDeviceEvalBatchSize), a => a.PerDeviceEvalBatchSize, (a, v) => a with { PerDeviceEvalBatchSize = (int)v! }),
        TrainingArgumentField.Whole(nameof(GradientAccumulationSteps), a => a.GradientAccumulationSteps, (a, v) => a with { GradientAccumulationSteps = (int)v! }),
        TrainingArgumentField.Number(nameof(EvalDelay), a => a.EvalDelay, (a, v) => a with { EvalDelay = (double)v! }),
        TrainingArgumentField.Number(nameof(LearningRate), a => a.LearningRate, (a, v) => a with { LearningRate = (double)v! }),
        TrainingArgumentField.Number(nameof(WeightDecay), a => a.WeightDecay, (a, v) => a with { WeightDecay = (double)v! }),
        TrainingArgumentField.Number(nameof(AdamBeta1), a => a.AdamBeta1, (a, v) => a with { AdamBeta1 = (double)v! }),
        TrainingArgumentField.Number(nameof(AdamBeta2), a => a.AdamBeta2, (a, v) => a with { AdamBeta2 = (double)v! }),
        TrainingArgumentField.Number(nameof(AdamEpsilon), a => a.AdamEpsilon, (a, v) => a with { AdamEpsilon = (double)v! }),
        TrainingArgumentField.Number(nameof(MaxGradNorm), a => a.MaxGradNorm, (a, v) => a with { MaxGradNorm = (double)v! }),
        TrainingArgumentField.Number(nameof(NumTrainEpochs), a => a.NumTrainEpochs, (a, v) => a with { NumTrainEpochs = (double)v! }),
        TrainingArgumentField.Whole(nameof(MaxSteps), a => a.MaxSteps, (a, v) => a with { MaxSteps = (int)v! }),
        TrainingArgumentField.Choice(nameof(LrSchedulerType), a => a.LrSchedulerType, (a, v) => a with { LrSchedulerType = v }),
        TrainingArgumentField.Number(nameof(WarmupRatio), a => a.WarmupRatio, (a, v) => a with { WarmupRatio = (double)v! }),
        TrainingArgumentField.Whole(nameof(WarmupSteps), a => a.WarmupSteps, (a, v) => a with { WarmupSteps = (int)v! }),
        TrainingArgumentField.Text(nameof(LoggingDir), a => a.LoggingDir, (a, v) => a with { LoggingDir = v }, nullable: true),
        TrainingArgumentField.Choice(nameof(LoggingStrategy), a => a.LoggingStrategy, (a, v) => a with { LoggingStrategy = v }),
        TrainingArgumentField.Flag(nameof(LoggingFirstStep), a => a.LoggingFirstStep, (a, v) => a with { LoggingFirstStep = v }),
        TrainingArgumentField.Number(nameof(LoggingSteps), a => a.LoggingSteps, (a, v) => a with { LoggingSteps = (double)v! }),
        TrainingArgumentField.Choice(nameof(SaveStrategy), a => a.SaveStrategy, (a, v) => a with { SaveStrategy = v }),
        TrainingArgumentField.Number(nameof(SaveSteps), a => a.SaveSteps, (a, v) => a with { SaveSteps = (double)v! }),
        TrainingArgumentField.Whole(nameof(SaveTotalLimit), a => a.SaveTotalLimit, (a, v) => a with { SaveTotalLimit = (int?)v }, nullable: true),
        TrainingArgumentField.OptionalFlag(nameof(SaveSafetensors), a => a.SaveSafetensors, (a, v) => a with { SaveSafetensors = v }),
        TrainingArgumentField.Whole(nameof(Seed), a => a.Seed, (a, v) => a with { Seed = (long)v! }, long.MinValue, long.MaxValue),
        TrainingArgumentField.Whole(nameof(DataSeed), a => a.DataSeed, (a, v) => a with { DataSeed = v }, long.MinValue, long.MaxValue, nullable: true),
        TrainingArgumentField.Number(nameof(EvalSteps), a => a.EvalSteps, (a, v) => a with { EvalSteps = v }, nullable: true),
        TrainingArgumentField.Flag(nameof(DataloaderDropLast), a => a.DataloaderDropLast, (a, v) => a with { DataloaderDropLast = v }),
        TrainingArgumentField.Text(nameof(RunName), a => a.RunName, (a, v) => a with { RunName = v }, nullable: true),
        TrainingArgumentField.Flag(nameof(DisableTqdm), a => a.DisableTqdm, (a, v) => a with { DisableTqdm = v }),
        TrainingArgumentField.Flag(nameof(LoadBestModelAtEnd), a => a.LoadBestModelAtEnd, (a, v) => a with { LoadBestModelAtEnd = v }),
        TrainingArgumentField.Text(nameof(MetricForBestModel), a => a.MetricForBestModel, (a, v) => a with { MetricForBestModel = v }, nullable: true),
        TrainingArgumentField.OptionalFlag(nameof(GreaterIsBetter), a => a.GreaterIsBetter, (a, v) => a with { GreaterIsBetter = v }),
        TrainingArgumentField.Flag(nameof(IgnoreDataSkip), a => a.IgnoreDataSkip, (a, v) => a with { IgnoreDataSkip = v }),
        TrainingArgumentField.Number(nameof(LabelSmoothingFactor), a => a.LabelSmoothingFactor, (a, v) => a with { LabelSmoothingFactor = (double)v! }),
        TrainingArgumentField.Choice(nameof(Optim), a => a.Optim, (a, v) => a with { Optim = v }),
        TrainingArgumentField.Flag(nameof(GroupByLength), a => a.GroupByLength, (a, v) => a with { GroupByLength = v }),
        TrainingArgumentField.Flag(nameof(GradientCheckpointing), a => a.GradientCheckpointing, (a, v) => a with { GradientCheckpointing = v }),
        TrainingArgumentField.Flag(nameof(RemoveUnusedColumns), a => a.RemoveUnusedColumns, (a, v) => a with { RemoveUnusedColumns = v }),
        TrainingArgumentField.Text(nameof(ResumeFromCheckpoint), a => a.ResumeFromCheckpoint, (a, v) => a with { ResumeFromCheckpoint = v }, nullable: true),
        TrainingArgumentField.Text(nameof(ReportTo), a => a.ReportTo, (a, v) => a with { ReportTo = v! }),
        TrainingArgumentField.Flag(nameof(IncludeInputsForMetrics), a => a.IncludeInputsForMetrics, (a, v) => a with { IncludeInputsForMetrics = v }),
        TrainingArgumentField.Flag(nameof(PredictWithGenerate), a => a.PredictWithGenerate, (a, v) => a with { PredictWithGenerate = v }),
        TrainingArgumentField.Whole(nameof(GenerationMaxLength), a => a.GenerationMaxLength, (a, v) => a with { GenerationMaxLength = (int?)v }, nullable: true),
        TrainingArgumentField.Whole(nameof(GenerationNumBeams), a => a.GenerationNumBeams, (a, v) => a with { GenerationNumBeams = (int?)v }, nullable: true),
        TrainingArgumentField.Choice(nameof(NonFinitePolicy), a => a.NonFinitePolicy, (a, v) => a with { NonFinitePolicy = v }),
        TrainingArgumentField.Whole(nameof(MemoryLimitBytes), a => a.MemoryLimitBytes, (a, v) => a with { MemoryLimitBytes = v }, long.MinValue, long.MaxValue, nullable: true),
    ];

    /// <summary>Arguments of transformers that mean nothing to this engine: taken, so that its scripts and files go on working, and reported.</summary>
    private static readonly HashSet<string> WithoutEffect =
    [
        "fp16", "fp16_opt_level", "fp16_full_eval", "half_precision_backend", "bf16", "bf16_full_eval", "tf32", "no_cuda", "use_cpu", "use_mps_device", "use_ipex", "local_rank", "ddp_backend",
        "ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers", "ddp_timeout", "fsdp_min_num_params", "fsdp_config", "fsdp_transformer_layer_cls_to_wrap",
        "dataloader_num_workers", "dataloader_pin_memory", "log_level", "log_level_replica", "log_on_each_node", "logging_nan_inf_filter",         "save_on_each_node", "jit_mode_eval", "skip_memory_metrics", "use_legacy_prediction_loop", "push_to_hub_model_id", "push_to_hub_organization",
        "push_to_hub_token", "hub_model_id", "hub_strategy", "hub_token", "hub_private_repo", "hub_always_push", "full_determinism", "torchdynamo", "torch_compile",
        "torch_compile_backend", "torch_compile_mode", "ray_scope", "dispatch_batches", "eval_accumulation_steps",
        "per_gpu_train_batch_size", "per_gpu_eval_batch_size", "mp_parameters", "xpu_backend", "tpu_num_cores", "tpu_metrics_debug", "debug", "optim_args", "length_column_name",
        "label_names",
    ];

    /// <summary>Arguments of transformers that would change what a run does, and cannot here: refused unless they are switched off.</summary>
    private static readonly Dictionary<string, string> Refused = new()
    {
        ["deepspeed"] = "it spreads a run over devices; this engine trains in one process",
        ["fsdp"] = "it spreads a run over devices; this engine trains in one process",
        ["sharded_ddp"] = "it spreads a run over devices; this engine trains in one process",
        ["push_to_hub"] = "nothing is uploaded from here; upload the output folder yourself",
        ["auto_find_batch_size"] = "a run that does not fit is refused before its first step, with what it needs; set per_device_train_batch_size",
        ["sortish_sampler"] = "use group_by_length, or give TrainerOptions.Sampler",
        ["past_index"] = "these models have no memory of batches before",
        ["generation_config"] = "give TrainerOptions.Generation",
    };

    /// <summary>Reads a command line such as <c>--output_dir out --per_device_train_batch_size 1 --do_train</c>. <c>--PerDeviceTrainBatchSize</c>, dashes for underscores and <c>--name=value</c>
    /// are understood too.</summary>
    /// <param name="commandLine">The words.</param>
    /// <returns>The arguments, validated, and the words that belong to something else.</returns>
    /// <exception cref="TrainingArgumentsException">A value is wrong or missing; the message names the argument.</exception>
    public static (TrainingArguments Arguments, IReadOnlyList<string> Remaining) Parse(IReadOnlyList<string> commandLine)
    {
        ArgumentNullException.ThrowIfNull(commandLine);
        var fields = Fields.ToDictionary(field => SnakeCase.Bare(field.Name));
        var idle = WithoutEffect.Concat(Refused.Keys).ToDictionary(name => SnakeCase.Bare(name));
        var arguments = new TrainingArguments { OutputDir = "" };
        var remaining = new List<string>();
        for (var i = 0; i < commandLine.Count; i++)
        {
            var word = commandLine[i];
            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var bare = word.StartsWith("--", StringComparison.Ordinal) ? SnakeCase.Bare(word.AsSpan(2, (equals < 0 ? word.Length : equals) - 2)) : "";
            var hasNext = i + 1 < commandLine.Count && !commandLine[i + 1].StartsWith("--", StringComparison.Ordinal);
            if (fields.TryGetValue(bare, out var field))
            {
                if (equals >= 0)
                    arguments = field.Set(arguments, word[(equals + 1)..]);
                else if (hasNext)
                    arguments = field.Set(arguments, commandLine[++i]);
                else if (field.IsFlag)
                    arguments = field.Set(arguments, "true");
                else
                    throw new TrainingArgumentsException(field.Name, "expected a value after it, found none.");
            }
            else if (bare.StartsWith("no", StringComparison.Ordinal) && fields.TryGetValue(bare[2..], out field) && field.IsFlag && equals < 0)
            {
                arguments = field.Set(arguments, "false");
            }
            else if (bare == "adafactor")
            {
                arguments = arguments.WithAdafactor(equals >= 0 ? word[(equals + 1)..] : hasNext ? commandLine[++i] : "true");
            }
            else if (idle.TryGetValue(bare, out var name))
            {
                arguments = arguments.Ignoring(name, equals >= 0 ? word[(equals + 1)..] : hasNext ? commandLine[++i] : "true");
            }
            else
            {
                remaining.Add(word);
            }
        }

        arguments.Validate();
        return (arguments, remaining);
    }

    /// <summary>Reads a JSON object with transformers' names.</summary>
    /// <param name="json">UTF-8 text.</param>
    /// <param name="origin">What the text is called in errors, such as its file.</param>
    /// <exception cref="TrainingArgumentsException">The text is no such object, or a value is wrong; the message names it.</exception>
    public static TrainingArguments FromJson(ReadOnlySpan<byte> json, string origin = "JSON")
    {
        if (json.Length > LargestFileBytes)
            throw new TrainingArgumentsException(origin, $"expected at most {LargestFileBytes} bytes, found {json.Length}.");
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 16 });
            using var document = JsonDocument.ParseValue(ref reader);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new TrainingArgumentsException(origin, $"expected an object, found {document.RootElement.ValueKind.ToString().ToLowerInvariant()}.");
            var fields = Fields.ToDictionary(field => SnakeCase.Bare(field.Name));
            var arguments = new TrainingArguments { OutputDir = "" };
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (fields.TryGetValue(SnakeCase.Bare(property.Name), out var field))
                    arguments = field.Set(arguments, property.Value);
                else
                    arguments = arguments.WithOther(property.Name, property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString()! : property.Value.GetRawText(), origin);
            }

            arguments.Validate();
            return arguments;
        }
        catch (JsonException error)
        {
            throw new TrainingArgumentsException(origin, $"not JSON: {error.Message}");
        }
    }

    /// <summary>Reads a JSON file with transformers' names.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="TrainingArgumentsException">The file holds no such object, or a value is wrong; the message names it.</exception>
    public static TrainingArguments FromJsonFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (new FileInfo(path) is { Exists: true, Length: > LargestFileBytes and var length })
            throw new TrainingArgumentsException(path, $"expected at most {LargestFileBytes} bytes, found {length}.");
        return FromJson(File.ReadAllBytes(path), path);
    }

    /// <summary>Reads a section of a configuration, whose keys are the names of arguments in either spelling. Nothing is validated yet.</summary>
    /// <exception cref="TrainingArgumentsException">A key is not known, or its value is no value of its kind.</exception>
    internal static TrainingArguments FromConfiguration(IConfiguration section)
    {
        var fields = Fields.ToDictionary(field => SnakeCase.Bare(field.Name));
        var arguments = new TrainingArguments { OutputDir = "" };
        foreach (var entry in section.GetChildren())
        {
            // A list, such as that of report_to, has its items under numbers. An empty value is a key that somebody blanked out, as in an environment variable.
            var text = entry.Value ?? string.Join(',', entry.GetChildren().Select(item => item.Value));
            if (text.Length == 0)
                continue;
            arguments = fields.TryGetValue(SnakeCase.Bare(entry.Key), out var field) ? field.Set(arguments, text) : arguments.WithOther(entry.Key, text, entry.Path);
        }

        return arguments;
    }

    /// <summary>An argument that is none of the fields.</summary>
    private TrainingArguments WithOther(string name, string value, string origin) => name switch
    {
        "adafactor" => WithAdafactor(value),
        _ when WithoutEffect.Contains(name) || Refused.ContainsKey(name) => Ignoring(name, value),
        _ => throw new TrainingArgumentsException(name, $"{origin}: there is no such argument. The names are transformers', such as learning_rate."),
    };

    /// <summary>The old name of <c>--optim adafactor</c>.</summary>
    private TrainingArguments WithAdafactor(string value) => IsOff(value) ? this : this with { Optim = OptimizerType.Adafactor };

    private TrainingArguments Ignoring(string name, string value) => IsOff(value) ? this
        : Refused.TryGetValue(name, out var reason) ? throw new TrainingArgumentsException(name, $"it is not supported: {reason}.")
        : this with { IgnoredArguments = IgnoredArguments.Length == 0 ? name : $"{IgnoredArguments}, {name}" };

    private static bool IsOff(string value) => value.ToLowerInvariant() is "" or "false" or "0" or "no" or "none" or "null" or "-1" or "[]" or "{}" or "off";

    /// <summary>Every argument as JSON with transformers' names; <see cref="FromJson"/> reads it again.</summary>
    public string ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            foreach (var field in Fields)
                field.Write(this, json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
