using System.Diagnostics;
using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Hub;
using ChatGLM.Quantization;
using ChatGLM.Snapshots;
using ChatGLM.Tensors;
using Microsoft.Extensions.Logging;

namespace ChatGLM.Models;

/// <summary>From a name to a model: folder, configuration, weights, report.</summary>
internal static partial class ModelLoader
{
    public delegate TModel Create<TModel>(WeightScope scope, ChatGLMConfig config, TorchGenerator generator);

    /// <param name="pathOrRepo">A folder, or a repo.</param>
    /// <param name="options">How to load.</param>
    /// <param name="create">Builds the model from its weights.</param>
    /// <param name="isFreshHead">Names of a head that a base model's files may lack.</param>
    public static TModel Load<TModel>(string pathOrRepo, ModelOptions? options, Create<TModel> create, Func<string, bool>? isFreshHead = null)
        where TModel : PreTrainedModel
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrRepo);
        options ??= new ModelOptions();
        RequireFloat(options.Dtype);
        // On the thread pool, so that a user interface's thread is not waited for by itself.
        var folder = SnapshotResolver.FindLocal(pathOrRepo)
            ?? Task.Run(() => FindAsync(pathOrRepo, options, options.CancellationToken), options.CancellationToken).GetAwaiter().GetResult();
        return LoadFolder(folder, options, create, isFreshHead);
    }

    /// <summary>The same without holding a thread while files are on their way.</summary>
    public static async Task<TModel> LoadAsync<TModel>(
        string pathOrRepo, ModelOptions? options, Create<TModel> create, Func<string, bool>? isFreshHead, CancellationToken cancellationToken)
        where TModel : PreTrainedModel
    {
        ArgumentException.ThrowIfNullOrEmpty(pathOrRepo);
        options ??= new ModelOptions();
        RequireFloat(options.Dtype);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(options.CancellationToken, cancellationToken);
        var token = either.Token;
        var folder = await FindAsync(pathOrRepo, options, token).ConfigureAwait(false);
        return await Task.Run(() => LoadFolder(folder, options with { CancellationToken = token }, create, isFreshHead), token).ConfigureAwait(false);
    }

    /// <summary>The configuration first: a model that cannot be loaded should not cost a download of twelve gigabytes.</summary>
    private static async Task<string> FindAsync(string pathOrRepo, ModelOptions options, CancellationToken cancellationToken)
    {
        if (SnapshotResolver.FindLocal(pathOrRepo) is { } local)
            return local;
        var stored = AutoConfig.FromFolder(await ResolveAsync(SnapshotParts.Config).ConfigureAwait(false));
        RequireSameBits(stored, options.Apply(stored));
        return await ResolveAsync(SnapshotParts.Config | SnapshotParts.Weights).ConfigureAwait(false);

        Task<string> ResolveAsync(SnapshotParts parts) => SnapshotResolver.ResolveAsync(
            pathOrRepo, options.Revision, options.CacheDir, options.LocalFilesOnly, options.Hub, parts, cancellationToken);
    }

    private static TModel LoadFolder<TModel>(string folder, ModelOptions options, Create<TModel> create, Func<string, bool>? isFreshHead)
        where TModel : PreTrainedModel
    {
        var watch = Stopwatch.StartNew();
        var stored = AutoConfig.FromFolder(folder);
        var config = options.Apply(stored);
        RequireSameBits(stored, config);
        using var checkpoint = Checkpoint.Open(folder);
        var addsPrefix = (config.PreSeqLen, config.PrefixProjection) != (stored.PreSeqLen, stored.PrefixProjection);
        var generator = new TorchGenerator(options.Seed);
        var weights = new CheckpointWeights(checkpoint, options, generator, WeightQuantizer.For(config),
            name => (addsPrefix && name.StartsWith("transformer.prefix_encoder.", StringComparison.Ordinal)) || isFreshHead?.Invoke(name) == true);
        TModel? model = null;
        try
        {
            model = create(new WeightScope(weights), config, generator);
            model.LoadReport = Report(folder, checkpoint, weights, model, watch.Elapsed.TotalSeconds);
            RequireFit(model.LoadReport, checkpoint);
            if (model is ChatGLMForConditionalGeneration answering)
                (answering.GenerationConfig, answering.CacheFormat) = (ReadGenerationConfig(folder, config), options.CacheFormat);
            if (options.Logger is { } logger)
                Log(logger, model.LoadReport);
            return model;
        }
        catch
        {
            model?.Dispose();
            weights.DisposeAll();
            throw;
        }
    }

    /// <summary>Fresh parameters in the type and the format that options and configuration ask for.</summary>
    public static IWeightSource FreshWeights(ModelOptions options, ChatGLMConfig config, TorchGenerator generator)
    {
        RequireFloat(options.Dtype);
        var fresh = new FreshWeights(generator, options.Dtype ?? DType.Float32, options.Backend);
        return WeightQuantizer.For(config) is { } quantizer ? new FreshQuantizedWeights(fresh, quantizer) : fresh;
    }

    private static void RequireFloat(DType? dtype)
    {
        if (dtype is not (null or DType.Float32 or DType.Float16 or DType.BFloat16))
            throw new ArgumentException($"Weights are held as float32, float16 or bfloat16, not as {dtype}.", nameof(dtype));
    }

    /// <summary>A snapshot that is quantized stays so: its dense weights are gone.</summary>
    private static void RequireSameBits(ChatGLMConfig stored, ChatGLMConfig config)
    {
        if (stored.QuantizationBit != 0 && config.QuantizationBit != stored.QuantizationBit)
            throw new QuantizationException(config.Origin, $"the snapshot's 'quantization_bit' is {stored.QuantizationBit}, it cannot be loaded with {config.QuantizationBit}. Use the snapshot without quantization.");
        if (stored.QuantizationConfig is { } groups && config.QuantizationConfig != groups)
            throw new QuantizationException(config.Origin, $"the snapshot's weights are quantized ({groups}), they cannot be loaded as {config.QuantizationConfig?.ToString() ?? "dense ones"}. Use the snapshot without quantization.");
    }

    internal static void RequireFit(LoadReport report, Checkpoint checkpoint)
    {
        if (report.Missing.Count > 0)
            throw new MissingWeightsException(report, checkpoint.Describe());
        if (report.Misshaped.Count > 0)
            throw new WeightShapeException(report);
    }

    internal static LoadReport Report(string folder, Checkpoint checkpoint, CheckpointWeights weights, PreTrainedModel model, double seconds)
    {
        var tied = model.TiedWeights;
        var unused = weights.Unused.ToList();
        return new LoadReport
        {
            Folder = folder,
            Files = checkpoint.Files,
            Missing = weights.Missing,
            Misshaped = weights.Misshaped,
            Fresh = weights.Fresh,
            Tied = tied.Keys.ToArray(),
            Ignored = unused.Where(IsRecomputed).ToArray(),
            Unexpected = unused.Where(name => !IsRecomputed(name) && !tied.ContainsKey(name)).ToArray(),
            Dtype = weights.Dtype,
            Bytes = weights.Bytes,
            Seconds = seconds,
        };
    }

    /// <summary>Rotary frequencies are stored by older versions of the reference and computed by all.</summary>
    private static bool IsRecomputed(string name) => name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal) || name.EndsWith("rotary_pos_emb.inv_freq", StringComparison.Ordinal);

    internal static GenerationConfig ReadGenerationConfig(string folder, ChatGLMConfig config)
    {
        var file = Path.Combine(folder, GenerationConfig.FileName);
        if (!File.Exists(file))
            return config.ToGenerationConfig();
        return SnapshotPath.ProblemWithTarget(folder, file) is { } problem
            ? throw new GenerationConfigException(file, $"'{file}' {problem}. Nothing was read from it.")
            : GenerationConfig.Load(file);
    }

    private static void Log(ILogger logger, LoadReport report)
    {
        LogLoaded(logger, report.Folder, report.Bytes, report.Dtype, report.Seconds);
        if (report.Unexpected.Count > 0)
            LogUnexpected(logger, report.Unexpected.Count, report.Unexpected[0]);
        if (report.Fresh.Count > 0)
            LogFresh(logger, report.Fresh.Count, report.Fresh[0]);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Loaded {Folder}: {Bytes} bytes of {Dtype} weights in {Seconds:F2} s.")]
    private static partial void LogLoaded(ILogger logger, string folder, long bytes, DType dtype, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} tensors in the files have no place in the model, the first is {Name}.")]
    private static partial void LogUnexpected(ILogger logger, int count, string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} parameters are not in the files and were initialised, the first is {Name}: train them before use.")]
    private static partial void LogFresh(ILogger logger, int count, string name);
}
