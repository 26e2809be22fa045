using ChatGLM.Batching;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Extensions.AI;

/// <summary>One model of an application: where it is, how it is held, and how it answers where a request does not say. The names are also the keys of a configuration section.</summary>
public sealed class ChatGLMOptions
{
    /// <summary>A snapshot folder, or a repo id such as <c>THUDM/chatglm3-6b</c>. Required.</summary>
    public string? Model { get; set; }

    /// <summary>The name under which requests and telemetry know the model; null for <see cref="Model"/>, of a folder its last part.</summary>
    public string? ModelId { get; set; }

    /// <summary>The branch, tag or commit of a repo; null for its main branch.</summary>
    public string? Revision { get; set; }

    /// <summary>The Hugging Face cache; null for where its tools keep it.</summary>
    public string? CacheDir { get; set; }

    /// <summary>Whether nothing may be downloaded.</summary>
    public bool LocalFilesOnly { get; set; }

    /// <summary>The element type to hold the weights in: Float32, Float16 or BFloat16; null for the files' own.</summary>
    public DType? Dtype { get; set; }

    /// <summary>Holds the linear layers in so many bits, 4 or 8; null for the files' own.</summary>
    public int? QuantizationBit { get; set; }

    /// <summary>The threads that compute; null for all processors.</summary>
    public int? Threads { get; set; }

    /// <summary>The most tokens that a request may bring, history included; null for what the model's positions allow. A long prompt holds the model for as long as a long answer does.</summary>
    public int? MaxInputTokens { get; set; }

    /// <summary>The most tokens of an answer where a request does not say; null for what the model's positions allow.</summary>
    public int? MaxOutputTokens { get; set; }

    /// <summary>The temperature where a request does not say; 0 takes the best token always. Null for the model's own.</summary>
    public float? Temperature { get; set; }

    /// <summary>The mass of best tokens to draw from where a request does not say; null for the model's own.</summary>
    public float? TopP { get; set; }

    /// <summary>The number of best tokens to draw from where a request does not say, 0 for all; null for the model's own.</summary>
    public int? TopK { get; set; }

    /// <summary>Above 1, tokens that prompt and answer hold already become less likely; null for the model's own.</summary>
    public float? RepetitionPenalty { get; set; }

    /// <summary>The requests that are answered at once: every step through the model takes all of them one token further.</summary>
    public int MaxConcurrentRequests { get; set; } = 16;

    /// <summary>The tokens of prompts that are read in a step while answers are under way: more, and these wait longer for their next token; fewer, and a new request waits longer for its first.</summary>
    public int PrefillTokens { get; set; } = 64;

    /// <summary>The tokens whose keys and values there is room for, of all answers under way and of what is kept for reuse; null for 2048 (or the model's positions, if fewer) for each of
    /// <see cref="MaxConcurrentRequests"/> and <see cref="MaxCachedConversations"/>, within a quarter of the machine's memory. Where it runs out, the answers that came last wait.</summary>
    public int? CacheTokens { get; set; }

    /// <summary>How keys and values are held: Float16 takes half of Float32's memory, Int8 a little more than a quarter, and both are a little less exact. Null for the model's own, which is Float32 unless
    /// <see cref="ConfigureModel"/> says otherwise.</summary>
    public KeyValueFormat? CacheFormat { get; set; }

    /// <summary>The requests that may wait for the model; one more is refused with a <see cref="ModelBusyException"/>.</summary>
    public int MaxQueueLength { get; set; } = 64;

    /// <summary>The conversations, each of about 2048 tokens, for whose keys and values there is room beside the answers under way, so that their next turn, and whatever begins as they did, reads only what
    /// is new; 0 for none. A request with a seed never uses them.</summary>
    public int MaxCachedConversations { get; set; } = 4;

    /// <summary>Changes anything else about how the model is loaded, such as its backend or progress. Not part of a configuration section.</summary>
    public Func<ModelOptions, ModelOptions>? ConfigureModel { get; set; }

    /// <summary>Called once with the loaded model, before its first request: put an adapter on it here. Not part of a configuration section.</summary>
    public Action<ChatGLMForConditionalGeneration>? PrepareModel { get; set; }

    /// <summary>The adapters that <see cref="PrepareModel"/> puts on the model, by the names under which requests ask for them as their model id. Needs <see cref="SelectAdapter"/> or <see cref="BatchAdapters"/>. Not part of a
    /// configuration section.</summary>
    public IReadOnlyList<string> Adapters { get; set; } = [];

    /// <summary>Makes one of <see cref="Adapters"/> the one that the model answers with, or none where it is given null. Called on the model's own turn, before a request that wants another than the
    /// one before it. Not part of a configuration section.</summary>
    public Action<string?>? SelectAdapter { get; set; }

    /// <summary>Called once after <see cref="PrepareModel"/>: how requests for different <see cref="Adapters"/> share steps through the model, such as <c>PeftModel.ForBatches</c>. It is used instead of
    /// <see cref="SelectAdapter"/>, with which each adapter's requests go through the model by themselves. Not part of a configuration section.</summary>
    public Func<BatchAdapters>? BatchAdapters { get; set; }

    internal string Name => ModelId ?? (Directory.Exists(Model) ? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(Model))) : Model) ?? "chatglm";

    internal BatchingOptions ToBatchingOptions() => new()
    {
        MaxRequests = MaxConcurrentRequests,
        // The queue stands before the engine.
        MaxQueueLength = MaxConcurrentRequests,
        PrefillTokens = PrefillTokens,
        CacheTokens = CacheTokens,
        ReusedRequests = MaxCachedConversations,
        CacheFormat = CacheFormat,
        ReusesPrefixes = MaxCachedConversations > 0,
        Adapters = BatchAdapters?.Invoke() ?? (Adapters.Count > 0 ? new SelectedAdapters(SelectAdapter!) : null),
    };

    internal ModelOptions ToModelOptions() => new()
    {
        Revision = Revision,
        CacheDir = CacheDir,
        LocalFilesOnly = LocalFilesOnly,
        Dtype = Dtype,
        QuantizationBit = QuantizationBit,
        Backend = Threads is { } threads ? new CpuBackend(new CpuBackendOptions { Threads = threads }) : null,
    };
}
