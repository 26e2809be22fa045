using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI;

/// <summary>
/// Continues texts with a ChatGLM model, as they are: no roles, no history. (<see cref="IChatClient"/> is for conversations; there is no interface for this.) Safe for concurrent requests, which are
/// answered in the order in which they came, chats of the same <see cref="SharedModel"/> among them. Options are those of a chat, but for instructions and tools.
/// </summary>
/// <param name="model">The model, which others may use too.</param>
/// <param name="modelId">One of <see cref="SharedModel.ModelIds"/>, for requests that say none; null for the model without an adapter.</param>
/// <exception cref="UnsupportedOptionException">There is no such model.</exception>
public sealed class ChatGLMCompletionClient(SharedModel model, string? modelId = null)
{
    private readonly ResponseStream _responses = new(model ?? throw new ArgumentNullException(nameof(model)), "text_completion", "cmpl");
    private readonly string _modelId = model.Resolve(modelId);
    private readonly ChatGLMChatClient _chat = new(model); // for factories, which ask for one

    /// <summary>Continues a text.</summary>
    /// <inheritdoc cref="CompleteStreamingAsync"/>
    public Task<ChatResponse> CompleteAsync(string prompt, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        CompleteStreamingAsync(prompt, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <summary>Continues a text piece by piece; the last update holds usage and finish reason. The model does not wait for the reader. Ending the enumeration early ends the work.</summary>
    /// <param name="prompt">The text.</param>
    /// <param name="options">How; null for the application's options.</param>
    /// <param name="cancellationToken">Ends the wait or the work.</param>
    /// <exception cref="UnsupportedOptionException">The request asks for something that model or client cannot do.</exception>
    /// <exception cref="ModelBusyException">Too many requests wait already.</exception>
    /// <exception cref="Models.PromptTooLongException">The text fills the model's positions.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> CompleteStreamingAsync(string prompt, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return _responses.RunAsync(options?.ModelId ?? _modelId, options, Prepare, cancellationToken);

        Func<LoadedModel, AnswerWriter, CancellationToken, Task<bool>> Prepare()
        {
            if (options?.Tools is { Count: > 0 } tools)
                throw new UnsupportedOptionException(nameof(options.Tools), $"a list of {tools.Count}", "none: tools belong to a chat");
            if (!string.IsNullOrEmpty(options?.Instructions))
                throw new UnsupportedOptionException(nameof(options.Instructions), "a text", "none: instructions belong to a chat");
            var raw = options?.RawRepresentationFactory?.Invoke(_chat);
            return (loaded, writer, cancellation) => Task.FromResult(Write(loaded, writer, prompt, options, raw, cancellation));
        }
    }

    private static bool Write(LoadedModel loaded, AnswerWriter writer, string prompt, ChatOptions? options, object? raw, CancellationToken cancellationToken)
    {
        var how = GenerationMapper.Map(options, raw, writer.Defaults, loaded.Model.ChatGenerationConfig);
        if (writer.Defaults.MaxInputTokens is not null)
            loaded.RequireAllowedLength(loaded.Tokenizer.Encode(prompt).Length);
        var stops = new StopSequenceFilter(how.Generation!.StopStrings ?? []);
        var result = loaded.Model.Generate(loaded.Tokenizer, prompt, Hear, how.Generation, how.Processors, cancellationToken);
        Say(stops.Flush());
        writer.Finish(result.FinishReason, false, result.PromptTokens, 0, result.CompletionTokens, cancellationToken);
        return true;

        void Hear(string piece)
        {
            writer.Begin();
            Say(stops.Append(piece));
        }

        void Say(string text)
        {
            if (text.Length > 0)
                writer.Write([new TextContent(text)]);
        }
    }
}
