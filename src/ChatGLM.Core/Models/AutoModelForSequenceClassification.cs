using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM;

/// <summary>Loads a ChatGLM2 or ChatGLM3 model with a classifier head.</summary>
public static class AutoModelForSequenceClassification
{
    /// <summary>Loads a classifier. A head that the files lack, as those of a base model do, is made fresh, to be trained.</summary>
    /// <param name="pathOrRepo">A snapshot folder, or a repo id, which is downloaded if the Hugging Face cache does not hold it.</param>
    /// <param name="options">How to load; the number of classes can be set with <see cref="ModelOptions.ConfigOverrides"/>.</param>
    /// <exception cref="UnsupportedModelException">The snapshot is a ChatGLM-6B, which has no classifier.</exception>
    public static ChatGLMForSequenceClassification FromPretrained(string pathOrRepo, ModelOptions? options = null) =>
        ModelLoader.Load(pathOrRepo, options, Create, IsHead);

    /// <summary>Does what <see cref="FromPretrained"/> does without holding the caller's thread while files are downloaded and read.</summary>
    /// <param name="pathOrRepo">A snapshot folder, or a repo id.</param>
    /// <param name="options">How to load; null for the defaults.</param>
    /// <param name="cancellationToken">Stops the download and the loading, as the token of the options does.</param>
    public static Task<ChatGLMForSequenceClassification> FromPretrainedAsync(
        string pathOrRepo, ModelOptions? options = null, CancellationToken cancellationToken = default) =>
        ModelLoader.LoadAsync(pathOrRepo, options, Create, IsHead, cancellationToken);

    /// <summary>Makes a classifier with fresh random weights.</summary>
    /// <param name="config">What to build.</param>
    /// <param name="options">Its element type (float32 if null), backend and seed.</param>
    public static ChatGLMForSequenceClassification FromConfig(ChatGLMConfig config, ModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        options ??= new ModelOptions();
        config = options.Apply(config);
        var generator = new TorchGenerator(options.Seed);
        return Create(new WeightScope(ModelLoader.FreshWeights(options, config, generator)), config, generator);
    }

    private static bool IsHead(string name) => name.StartsWith("classifier_head.", StringComparison.Ordinal);

    internal static ChatGLMForSequenceClassification Create(WeightScope scope, ChatGLMConfig config, TorchGenerator generator) => config is ChatGLM2Config second
        ? new ChatGLMForSequenceClassification(scope, second, generator)
        : throw new UnsupportedModelException(config.Origin, "ChatGLM-6B has no sequence classifier.");
}
