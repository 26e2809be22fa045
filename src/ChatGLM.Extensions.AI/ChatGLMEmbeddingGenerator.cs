using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace ChatGLM.Extensions.AI;

/// <summary>
/// Embeddings from a ChatGLM model: the mean of the last layer's output over the tokens of the text, scaled to length 1. Each text is read by itself, so that an embedding does not hang on the texts
/// beside it. The vectors have the model's hidden size.
/// </summary>
/// <remarks>These models were trained to write, not to compare: the vectors tell related texts from unrelated ones, but a model made for embeddings does so better and faster.</remarks>
public sealed class ChatGLMEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly SharedModel _model;
    private readonly string _modelId;

    /// <summary>A generator over a model that others may use too. Disposing the generator leaves the model alone.</summary>
    /// <param name="model">The model.</param>
    /// <param name="modelId">One of <see cref="SharedModel.ModelIds"/>, for requests that say none; null for the model without an adapter.</param>
    /// <exception cref="UnsupportedOptionException">There is no such model.</exception>
    public ChatGLMEmbeddingGenerator(SharedModel model, string? modelId = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _modelId = model.Resolve(modelId);
    }

    /// <inheritdoc/>
    /// <exception cref="UnsupportedOptionException">The request asks for other dimensions or another model.</exception>
    /// <exception cref="PromptTooLongException">A text fills the model's positions.</exception>
    /// <exception cref="ModelBusyException">Too many requests wait already.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        string[] texts = [.. values];
        if (texts.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("A text to embed is empty: expected at least one character that is no white space. Leave it out.", nameof(values));
        var modelId = _model.Resolve(options?.ModelId ?? _modelId);
        using var operation = _model.Telemetry.Start("embeddings", modelId);
        try
        {
            var result = new GeneratedEmbeddings<Embedding<float>>(texts.Length);
            var inputTokens = 0;
            foreach (var text in texts)
            {
                // A turn for each text: a long list lets chats through in between.
                var (vector, tokens) = await _model.RunAsync(
                    (loaded, cancellation) => Embed(loaded, text, options?.Dimensions, cancellation), modelId, null, cancellationToken).ConfigureAwait(false);
                result.Add(new Embedding<float>(vector) { ModelId = modelId, CreatedAt = DateTimeOffset.UtcNow });
                inputTokens += tokens;
            }

            result.Usage = new UsageDetails { InputTokenCount = inputTokens, TotalTokenCount = inputTokens };
            operation.Complete(inputTokens);
            return result;
        }
        catch (Exception error)
        {
            operation.Fail(error);
            throw;
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return serviceType == typeof(EmbeddingGeneratorMetadata) ? new EmbeddingGeneratorMetadata(Telemetry.Provider, null, _modelId, null)
            : serviceType == typeof(SharedModel) ? _model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Does nothing: the model is not the generator's.</summary>
    public void Dispose()
    {
    }

    private static (float[] Vector, int Tokens) Embed(LoadedModel loaded, string text, int? dimensions, CancellationToken cancellationToken)
    {
        var (model, tokenizer) = (loaded.Model, loaded.Tokenizer);
        var hiddenSize = model.Config.HiddenSize;
        if (dimensions is { } wanted && wanted != hiddenSize)
            throw new UnsupportedOptionException(nameof(EmbeddingGenerationOptions.Dimensions), $"{wanted}", $"{hiddenSize}, the model's hidden size, or null");
        var ids = tokenizer.Encode(text);
        loaded.RequireAllowedLength(ids.Length);
        if (ids.Length > model.Config.MaxPositions)
            throw new PromptTooLongException(ids.Length, model.Config.MaxPositions, model.Config is ChatGLM6BConfig ? "max_sequence_length" : "seq_length");
        var ownTokens = tokenizer.Encode(text, null, new EncodeOptions { AddSpecialTokens = false }).Length;
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var inputs = new ModelInputs
        {
            InputIds = Tensor.From(Array.ConvertAll(ids, id => (long)id), [1, ids.Length], model.Backend),
            OutputHiddenStates = true,
            LastLogitsOnly = true,
            CancellationToken = cancellationToken,
        };
        using var output = model.Forward(inputs);
        var hidden = model.Backend.Cast(output.HiddenStates[^1], DType.Float32).ToArray<float>();
        // ChatGLM-6B puts its special tokens behind the text, the later models before it. What they hold says more about the prompt's form than about the text.
        var first = tokenizer.Generation == ChatGLMGeneration.ChatGLM6B ? 0 : ids.Length - ownTokens;
        var vector = new float[hiddenSize];
        for (var token = first; token < first + ownTokens; token++)
            TensorPrimitives.Add(vector, hidden.AsSpan(token * hiddenSize, hiddenSize), vector);
        // The length that this scales to 1 takes the count of tokens with it: no need to divide by that first.
        var norm = TensorPrimitives.Norm(vector.AsSpan());
        if (!(norm > 0 && float.IsFinite(norm)))
            throw new InvalidEmbeddingException(norm);
        TensorPrimitives.Divide(vector, norm, vector);
        return (vector, ids.Length);
    }
}
