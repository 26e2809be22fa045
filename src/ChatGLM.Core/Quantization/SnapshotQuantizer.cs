using ChatGLM.Formats;
using ChatGLM.Hub;
using ChatGLM.Models;
using ChatGLM.Snapshots;

namespace ChatGLM.Quantization;

/// <summary>
/// Quantizes a snapshot ahead of time: from a folder, a repo or a GGUF file of dense weights to a folder of quantized ones that loads by mapping. Pieces of tensors stream through memory, so that a model of any
/// size is quantized in a few hundred megabytes; reading, computing and writing overlap. What is written is, to the byte, what loading the whole model, quantizing it with
/// <see cref="PreTrainedModel.Quantize(QuantizationConfig, CancellationToken)"/> and saving it would write.
/// </summary>
public static class SnapshotQuantizer
{
    /// <summary>Quantizes group by group, the fast form (see <see cref="QuantizationConfig"/>).</summary>
    /// <param name="source">A snapshot folder, a <c>.gguf</c> file, or a repo id, which is downloaded if the Hugging Face cache does not hold it.</param>
    /// <param name="destination">The folder of the new snapshot: a new one, or one that is empty. It appears whole, or not at all.</param>
    /// <param name="quantization">Bits, group size and so on; <c>new()</c> for the defaults.</param>
    /// <param name="options">Size of shards, memory, and where a repo comes from; null for the defaults.</param>
    /// <param name="progress">Told after every piece, from another thread.</param>
    /// <param name="cancellationToken">Stops between two pieces; nothing is left of the new snapshot then.</param>
    /// <exception cref="ArgumentException">The values do not fit each other.</exception>
    /// <exception cref="QuantizationException">The source is quantized already, or holds a weight that cannot be quantized.</exception>
    /// <exception cref="SnapshotWriteException">The destination is in use, or its disk is full.</exception>
    /// <exception cref="SnapshotNotFoundException">There is no such source.</exception>
    /// <exception cref="HubException">The repo cannot be downloaded.</exception>
    /// <exception cref="ConfigException">The source's config.json is damaged.</exception>
    /// <exception cref="CheckpointException">A weight file of the source is damaged.</exception>
    /// <exception cref="MissingWeightsException">The source lacks parameters.</exception>
    /// <exception cref="WeightShapeException">The source's weights do not fit its configuration.</exception>
    public static Task<SnapshotReport> QuantizeAsync(
        string source, string destination, QuantizationConfig quantization, SnapshotWriteOptions? options = null, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(quantization);
        if (quantization.Problem is { } problem)
            throw new ArgumentException($"{problem.Field} {problem.Problem}", nameof(quantization));
        return QuantizeAsync(source, destination, config => config with { QuantizationConfig = quantization }, options, progress, cancellationToken);
    }

    /// <summary>Quantizes row by row, the form of the published quantized snapshots, which Python loads too: <c>quantization_bit</c> in config.json, integers with a <c>weight_scale</c> beside them.</summary>
    /// <param name="source">A snapshot folder, a <c>.gguf</c> file, or a repo id.</param>
    /// <param name="destination">The folder of the new snapshot: a new one, or one that is empty.</param>
    /// <param name="bits">8 or 4.</param>
    /// <param name="options">Size of shards, memory, and where a repo comes from; null for the defaults.</param>
    /// <param name="progress">Told after every piece, from another thread.</param>
    /// <param name="cancellationToken">Stops between two pieces; nothing is left of the new snapshot then.</param>
    /// <inheritdoc cref="QuantizeAsync(string, string, QuantizationConfig, SnapshotWriteOptions?, IProgress{SnapshotProgress}?, CancellationToken)" path="/exception"/>
    public static Task<SnapshotReport> QuantizeAsync(
        string source, string destination, int bits, SnapshotWriteOptions? options = null, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (bits is not (8 or 4))
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "ChatGLM models are quantized to 8 or 4 bits.");
        return QuantizeAsync(source, destination, config => config with { QuantizationBit = bits }, options, progress, cancellationToken);
    }

    private static Task<SnapshotReport> QuantizeAsync(
        string source, string destination, Func<ChatGLMConfig, ChatGLMConfig> note, SnapshotWriteOptions? options, IProgress<SnapshotProgress>? progress, CancellationToken cancellationToken) =>
        SnapshotWriter.WriteAsync(source, destination, config => note(RequireDense(config)), null, options, progress, cancellationToken);

    private static ChatGLMConfig RequireDense(ChatGLMConfig config) => config is { QuantizationBit: 0, QuantizationConfig: null }
        ? config
        : throw new QuantizationException(config.Origin, $"the snapshot has {(config.QuantizationBit != 0 ? $"{config.QuantizationBit} bits per weight" : config.QuantizationConfig)} already: quantize the snapshot that it was made from.");
}
