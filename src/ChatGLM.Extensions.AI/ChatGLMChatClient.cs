using ChatGLM.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace ChatGLM.Extensions.AI;

/// <summary>
/// A ChatGLM model as an <see cref="IChatClient"/>. Safe for concurrent requests: they are answered at once, a batch of all of them going through the model for every token. It keeps nothing between requests
/// but a cache, so that a request brings the whole history. A request may ask for one of the model's adapters by its name as the model id.
/// </summary>
/// <remarks>
/// A request with a seed gets the same answer whatever else is asked meanwhile. Instructions (system messages) go into ChatGLM3's system message, and into the next question of ChatGLM-6B and 2, which
/// know no such thing. Only ChatGLM3 calls tools; the calls are handed out and never run here. <see cref="ChatOptions.RawRepresentationFactory"/> may give a <see cref="GenerationConfig"/> or a
/// <see cref="Models.ChatOptions"/> for what ChatOptions has no field for.
/// </remarks>
public sealed class ChatGLMChatClient : IChatClient
{
    private readonly SharedModel _model;
    private readonly string _modelId;
    private readonly bool _ownsModel;
    private readonly ResponseStream _responses;
    private readonly ChatClientMetadata _metadata;

    /// <summary>A client of a model that others may use too. Disposing the client leaves the model alone.</summary>
    /// <param name="model">The model.</param>
    /// <param name="modelId">One of <see cref="SharedModel.ModelIds"/>, for requests that say none; null for the model without an adapter.</param>
    /// <exception cref="UnsupportedOptionException">There is no such model.</exception>
    public ChatGLMChatClient(SharedModel model, string? modelId = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _modelId = model.Resolve(modelId);
        _responses = new ResponseStream(model, "chat", "chatcmpl");
        _metadata = new ChatClientMetadata(Telemetry.Provider, null, _modelId);
    }

    /// <summary>A client with a model of its own, which loads at the first request and goes with the client.</summary>
    /// <param name="options">Where the model is, and how it answers.</param>
    /// <param name="loggers">Told about loading and requests; null for nobody.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">A field has a value that cannot be used.</exception>
    public ChatGLMChatClient(ChatGLMOptions options, ILoggerFactory? loggers = null)
        : this(new SharedModel(options, loggers)) => _ownsModel = true;

    /// <inheritdoc/>
    /// <exception cref="UnsupportedOptionException">The request asks for something that model or client cannot do.</exception>
    /// <exception cref="Chat.ChatFormatException">The model has no form for such messages.</exception>
    /// <exception cref="ModelBusyException">Too many requests wait already.</exception>
    /// <exception cref="Models.PromptTooLongException">The messages fill the model's positions.</exception>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <remarks>The texts put together are the text of <see cref="GetResponseAsync"/>; the last update holds usage and finish reason. The model does not wait for the reader. Ending the enumeration early
    /// ends the answer.</remarks>
    /// <exception cref="UnsupportedOptionException">The request asks for something that model or client cannot do.</exception>
    /// <exception cref="Chat.ChatFormatException">The model has no form for such messages.</exception>
    /// <exception cref="ModelBusyException">Too many requests wait already.</exception>
    /// <exception cref="Models.PromptTooLongException">The messages fill the model's positions.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        IReadOnlyList<ChatMessage> conversation = [.. messages];
        return _responses.RunAsync(
            options?.ModelId ?? _modelId,
            options,
            () => new ChatAnswer(conversation, options, ToolList.From(options), options?.RawRepresentationFactory?.Invoke(this)).WriteAsync,
            cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(SharedModel) ? _model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Disposes the model if the client made it.</summary>
    public void Dispose()
    {
        if (_ownsModel)
            _model.Dispose();
    }
}
