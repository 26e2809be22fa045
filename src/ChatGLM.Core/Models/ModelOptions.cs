using ChatGLM.Hub;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;
using Microsoft.Extensions.Logging;

namespace ChatGLM;

/// <summary>How a model is loaded.</summary>
public sealed record ModelOptions
{
    /// <summary>The element type to hold the weights in; null for the file's own, which maps them in place. Anything else copies and converts.</summary>
    public DType? Dtype { get; init; }

    /// <summary>
    /// 8 or 4 to quantize the linear layers of the transformer while they are loaded, one at a time, each with one scale per row as the published quantized snapshots have them; null for
    /// what config.json says. A snapshot that is quantized already keeps its bits.
    /// </summary>
    public int? QuantizationBit { get; init; }

    /// <summary>
    /// Group-wise quantization, the fast one, of the linear layers while they are loaded, one at a time; null for what config.json says. A snapshot that is quantized already keeps its format.
    /// </summary>
    public QuantizationConfig? Quantization { get; init; }

    /// <summary>The length of a P-Tuning v2 prefix to add; null for what config.json says. A prefix that the files lack is made fresh.</summary>
    public int? PreSeqLen { get; init; }

    /// <summary>Whether the prefix goes through a projection; null for what config.json says.</summary>
    public bool? PrefixProjection { get; init; }

    /// <summary>Changes any other field of the configuration before the model is built, with a <c>with</c> expression.</summary>
    public Func<ChatGLMConfig, ChatGLMConfig>? ConfigOverrides { get; init; }

    /// <summary>What computes; null for the processor.</summary>
    public Backend? Backend { get; init; }

    /// <summary>How the caches of generation and chat hold keys and values: <see cref="ChatGLMForConditionalGeneration.CacheFormat"/>. The smaller formats are for the processor.</summary>
    public KeyValueFormat CacheFormat { get; init; }

    /// <summary>The branch, tag or commit of a repo; null for the hub's default, <c>main</c>.</summary>
    public string? Revision { get; init; }

    /// <summary>The cache; null for where <see cref="Hub"/> says, else where Hugging Face's tools keep it (HF_HUB_CACHE, HF_HOME, ~/.cache/huggingface/hub).</summary>
    public string? CacheDir { get; init; }

    /// <summary>Whether nothing may be downloaded. HF_HUB_OFFLINE=1 says the same for all.</summary>
    public bool LocalFilesOnly { get; init; }

    /// <summary>How a repo that the cache does not hold is downloaded: token, mirror, ModelScope, progress; null for the defaults.</summary>
    public HubOptions? Hub { get; init; }

    /// <summary>The seed of fresh parameters, and of what dropout draws in training.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Told how far loading is. <see cref="HubOptions.Progress"/> is told of the download before it.</summary>
    public IProgress<LoadProgress>? Progress { get; init; }

    /// <summary>Told what was loaded, and what was unexpected.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>Stops the download, and loading between two tensors.</summary>
    public CancellationToken CancellationToken { get; init; }

    internal ChatGLMConfig Apply(ChatGLMConfig config)
    {
        if (PreSeqLen is not null)
            config = config with { PreSeqLen = PreSeqLen };
        if (PrefixProjection is { } projection)
            config = config with { PrefixProjection = projection };
        if (QuantizationBit is { } bits)
        {
            if (bits is not (0 or 4 or 8))
                throw new ArgumentOutOfRangeException(nameof(QuantizationBit), bits, "ChatGLM models are quantized to 8 or 4 bits; 0 is for none.");
            config = config with { QuantizationBit = bits };
        }

        if (Quantization is not null)
            config = config with { QuantizationConfig = Quantization };
        config = ConfigOverrides?.Invoke(config) ?? config;
        config.Validate();
        return config;
    }
}

/// <summary>How far loading is.</summary>
/// <param name="LoadedBytes">The bytes of the weights that are in place.</param>
/// <param name="TotalBytes">The bytes of all weights.</param>
public readonly record struct LoadProgress(long LoadedBytes, long TotalBytes);
