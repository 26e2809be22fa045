using ChatGLM.Formats;
using ChatGLM.Hub;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>
/// Writes a snapshot anew: as safetensors from <c>.bin</c> files or from a GGUF file, in another element type, in shards of another size. Pieces of tensors stream through memory, as with
/// <see cref="Quantization.SnapshotQuantizer"/>. Weights that are quantized in the published or the group-wise form stay as they are; those of a GGUF file are widened.
/// </summary>
public static class SnapshotConverter
{
    /// <summary>Converts a snapshot.</summary>
    /// <param name="source">A snapshot folder, a <c>.gguf</c> file, or a repo id, which is downloaded if the Hugging Face cache does not hold it.</param>
    /// <param name="destination">The folder of the new snapshot: a new one, or one that is empty. It appears whole, or not at all.</param>
    /// <param name="dtype">float32, float16 or bfloat16 for the dense weights; null for the type they have (float16 for the quantized weights of a GGUF file).</param>
    /// <param name="options">Size of shards, memory, and where a repo comes from; null for the defaults.</param>
    /// <param name="progress">Told after every piece, from another thread.</param>
    /// <param name="cancellationToken">Stops between two pieces; nothing is left of the new snapshot then.</param>
    /// <exception cref="SnapshotWriteException">The destination is in use, its disk is full, or a number is too large for the new type.</exception>
    /// <exception cref="SnapshotNotFoundException">There is no such source.</exception>
    /// <exception cref="HubException">The repo cannot be downloaded.</exception>
    /// <exception cref="ConfigException">The source's config.json is damaged.</exception>
    /// <exception cref="CheckpointException">A weight file of the source is damaged.</exception>
    /// <exception cref="MissingWeightsException">The source lacks parameters.</exception>
    /// <exception cref="WeightShapeException">The source's weights do not fit its configuration.</exception>
    public static Task<SnapshotReport> ConvertAsync(
        string source, string destination, DType? dtype = null, SnapshotWriteOptions? options = null, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (dtype is not (null or DType.Float32 or DType.Float16 or DType.BFloat16))
            throw new ArgumentException($"Weights are held as float32, float16 or bfloat16, not as {dtype}.", nameof(dtype));
        return SnapshotWriter.WriteAsync(source, destination, config => config, dtype, options, progress, cancellationToken);
    }
}
