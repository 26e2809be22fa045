using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>Writes safetensors files. <see cref="Checkpoint.Open"/> reads them.</summary>
public static class Safetensors
{
    /// <summary>Writes tensors into one file, laid out as the official library does. After a crash there is the old file or
    /// the new one.</summary>
    /// <param name="tensors">The tensors by name.</param>
    /// <param name="path">The file.</param>
    /// <param name="metadata">Texts to put beside the tensors; <c>{"format": "pt"}</c>, which transformers asks for, if null.</param>
    public static void SaveFile(IReadOnlyDictionary<string, Tensor> tensors, string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentException.ThrowIfNullOrEmpty(path);
        SafetensorsWriter.Write(path, tensors.Select(t => TensorSource.From(t.Key, t.Value)), metadata);
    }

    /// <summary>
    /// Writes a model's weights into a folder as transformers' <c>save_pretrained</c> does: <c>model.safetensors</c>, or shards with an
    /// index. The folder changes
    /// from the old weights to the new ones in a single step.
    /// </summary>
    /// <param name="tensors">The tensors by name, in the order in which they fill the shards.</param>
    /// <param name="folder">The folder; it is created if need be.</param>
    /// <param name="maxShardSize">The most bytes in a file, as transformers writes it: <c>10GB</c> is 10^10 bytes, <c>10GiB</c> is 10 * 2^30.</param>
    public static void SaveSharded(IEnumerable<KeyValuePair<string, Tensor>> tensors, string folder, string maxShardSize = "10GB")
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ShardedSafetensorsWriter.Write(folder, tensors.Select(t => TensorSource.From(t.Key, t.Value)), ShardSize.Parse(maxShardSize));
    }
}
