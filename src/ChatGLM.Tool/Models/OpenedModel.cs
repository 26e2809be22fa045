using ChatGLM.Hub;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Quantization;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Models;

/// <summary>A model in memory with its tokenizer, and with the adapters that were asked for.</summary>
internal sealed class OpenedModel : IDisposable
{
    private OpenedModel(string name, ChatGLMTokenizer? tokenizer, ChatGLMForConditionalGeneration model) => (Name, TokenizerIfAny, Model) = (name, tokenizer, model);

    /// <summary>What the user calls it.</summary>
    public string Name { get; }

    public ChatGLMTokenizer Tokenizer => TokenizerIfAny ?? throw new InvalidOperationException("The model was opened without a tokenizer.");

    /// <summary>Null where none was needed and none is there.</summary>
    public ChatGLMTokenizer? TokenizerIfAny { get; }

    public ChatGLMForConditionalGeneration Model { get; }

    /// <summary>The adapters on it, each a line for a reader.</summary>
    public IReadOnlyList<string> Adapters { get; private set; } = [];

    /// <summary>The model with its peft adapters; null without.</summary>
    public PeftModel? Peft { get; private set; }

    /// <summary>Downloads what is not there, and loads.</summary>
    /// <param name="settings">Which model, and how.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="needsTokenizer">Whether the model is of no use without its tokenizer.</param>
    public static async Task<OpenedModel> OpenAsync(ModelSettings settings, ToolProgress progress, CancellationToken cancellationToken, bool needsTokenizer = true)
    {
        var adapters = new List<string>();
        foreach (var adapter in settings.Adapters)
            adapters.Add(await SnapshotFinder.FindAsync(adapter, settings.Hub, SnapshotParts.Adapter, progress, cancellationToken));
        var name = settings.Model ?? BaseOf(adapters) ?? ModelSettings.DemoName;
        var place = ModelSettings.Place(name);
        var hub = settings.Hub.Options with { Progress = progress.As<HubProgress>(SnapshotFinder.Report) };
        var options = new ModelOptions
        {
            Revision = settings.Hub.Revision,
            CacheDir = settings.Hub.Options.CacheDir,
            LocalFilesOnly = settings.Hub.Options.LocalFilesOnly,
            Hub = hub,
            Dtype = settings.Dtype,
            QuantizationBit = settings.QuantizationBit,
            Quantization = settings.Quantize is { } bits ? new QuantizationConfig { Bits = bits } : null,
            Backend = settings.Threads == 0 ? null : new CpuBackend(new CpuBackendOptions { Threads = settings.Threads }),
            // A snapshot that is mapped is there before a bar could be drawn; one that is quantized or converted takes its time.
            Progress = progress.As<LoadProgress>(at => new ProgressReport(settings.Quantize is null && settings.QuantizationBit is null ? "loading" : "loading and quantizing", at.LoadedBytes, at.TotalBytes, "bytes")),
            CancellationToken = cancellationToken,
        };
        // The model first: if it cannot be loaded, the message about its configuration says most.
        var model = await AutoModel.FromPretrainedAsync(place, options, cancellationToken);
        try
        {
            var from = new TokenizerOptions { Revision = options.Revision, CacheDir = options.CacheDir, LocalFilesOnly = options.LocalFilesOnly, Hub = hub };
            ChatGLMTokenizer? tokenizer = null;
            try
            {
                tokenizer = await AutoTokenizer.FromPretrainedAsync(place, from, cancellationToken);
            }
            catch (TokenizerException) when (!needsTokenizer)
            {
                // a folder of weights can be measured and merged as it is
            }

            var opened = new OpenedModel(name, tokenizer, model);
            opened.Attach(adapters);
            return opened;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public void Dispose() => Model.Dispose();

    /// <summary>What peft calls the adapter at a place in the list.</summary>
    public static string AdapterName(int index) => index == 0 ? PeftModel.DefaultAdapterName : $"adapter{index}";

    /// <summary>The base that the first of some adapters names.</summary>
    private static string? BaseOf(IEnumerable<string> folders) => folders
        .Where(folder => File.Exists(Path.Combine(folder, PeftConfig.FileName)))
        .Select(folder => PeftConfig.FromPretrained(folder).BaseModelNameOrPath)
        .FirstOrDefault(name => !string.IsNullOrEmpty(name));

    private void Attach(IReadOnlyList<string> folders)
    {
        var lines = new List<string>();
        for (var i = 0; i < folders.Count; i++)
        {
            if (i == 0)
            {
                var first = Model.LoadAdapter(folders[0]);
                Peft = first.PeftModel;
                lines.Add(first.ToString());
                continue;
            }

            if (Peft is null || !File.Exists(Path.Combine(folders[i], PeftConfig.FileName)))
                throw new UsageException("A P-Tuning v2 checkpoint stands alone: give one --adapter.");
            Peft.LoadAdapter(folders[i], AdapterName(i));
            lines.Add($"{Peft.PeftConfigs[AdapterName(i)].PeftType} adapter from {folders[i]}");
        }

        if (folders.Count > 1)
            Peft!.SetAdapter([.. Enumerable.Range(0, folders.Count).Select(AdapterName)]);
        Adapters = lines;
    }
}
