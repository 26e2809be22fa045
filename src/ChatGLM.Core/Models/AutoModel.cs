using ChatGLM.Hub;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Snapshots;
using ChatGLM.Tensors;

namespace ChatGLM;

/// <summary>Loads the model that a snapshot's configuration names.</summary>
public static class AutoModel
{
    /// <summary>Loads a model that answers. Its weights stay in their files, mapped, in the type they have there; dispose the model to give them back.</summary>
    /// <param name="pathOrRepo">A snapshot folder, a <c>.gguf</c> file of llama.cpp, or a repo id such as <c>THUDM/chatglm2-6b</c>, which is downloaded if the Hugging Face cache does not hold it.</param>
    /// <param name="options">How to load; null for the defaults.</param>
    /// <exception cref="SnapshotNotFoundException">There is no such folder, or nothing may be downloaded and the cache does not hold the repo.</exception>
    /// <exception cref="HubException">The repo cannot be downloaded; the derived type says why.</exception>
    /// <exception cref="UnsupportedModelException">The snapshot holds another kind of model.</exception>
    /// <exception cref="ConfigException">config.json is damaged, or holds values that no model can have.</exception>
    /// <exception cref="MissingWeightsException">The files lack parameters; the message says what kind of file this looks like.</exception>
    /// <exception cref="QuantizationException">The snapshot's weights cannot be quantized as the options ask.</exception>
    /// <exception cref="WeightShapeException">The files hold tensors of other shapes than config.json describes.</exception>
    public static ChatGLMForConditionalGeneration FromPretrained(string pathOrRepo, ModelOptions? options = null) =>
        ModelLoader.Load(pathOrRepo, options, Create);

    /// <summary>Does what <see cref="FromPretrained"/> does without holding the caller's thread while files are downloaded and read.</summary>
    /// <param name="pathOrRepo">A snapshot folder, or a repo id.</param>
    /// <param name="options">How to load; null for the defaults.</param>
    /// <param name="cancellationToken">Stops the download and the loading, as the token of the options does.</param>
    public static Task<ChatGLMForConditionalGeneration> FromPretrainedAsync(
        string pathOrRepo, ModelOptions? options = null, CancellationToken cancellationToken = default) =>
        ModelLoader.LoadAsync(pathOrRepo, options, Create, isFreshHead: null, cancellationToken);

    /// <summary>Makes a model with fresh random weights, as training from scratch begins with.</summary>
    /// <param name="config">What to build.</param>
    /// <param name="options">Its element type (float32 if null), backend, seed, and bits if it is to be quantized.</param>
    public static ChatGLMForConditionalGeneration FromConfig(ChatGLMConfig config, ModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        options ??= new ModelOptions();
        config = options.Apply(config);
        var generator = new TorchGenerator(options.Seed);
        var model = Create(new WeightScope(ModelLoader.FreshWeights(options, config, generator)), config, generator);
        model.GenerationConfig = config.ToGenerationConfig();
        model.CacheFormat = options.CacheFormat;
        return model;
    }

    internal static ChatGLMForConditionalGeneration Create(WeightScope scope, ChatGLMConfig config, TorchGenerator generator) => config switch
    {
        ChatGLM6BConfig first => new ChatGLM6BForConditionalGeneration(scope, first, generator),
        ChatGLM2Config second => new ChatGLM2ForConditionalGeneration(scope, second, generator),
        _ => throw new UnsupportedModelException(config.Origin, $"{config.GetType().Name} is not known."),
    };
}
