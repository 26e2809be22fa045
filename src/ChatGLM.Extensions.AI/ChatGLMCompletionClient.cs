using ChatGLM.Batching;
using ChatGLM.Generation;
using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI;

/// <summary>
/// Continues texts with a ChatGLM model, as they are: no roles, no history. (<see cref="IChatClient"/> is for conversations; there is no interface for this.) Safe for concurrent requests, which are
/// answered at once, chats of the same <see cref="SharedModel"/> among them. Options are those of a chat, but for instructions and tools.
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

        Func<LoadedModel, AnswerWriter, CancellationToken, Task> Prepare()
        {
            if (options?.Tools is { Count: > 0 } tools)
                throw new UnsupportedOptionException(nameof(options.Tools), $"a list of {tools.Count}", "none: tools belong to a chat");
            if (!string.IsNullOrEmpty(options?.Instructions))
                throw new UnsupportedOptionException(nameof(options.Instructions), "a text", "none: instructions belong to a chat");
            var raw = options?.RawRepresentationFactory?.Invoke(_chat);
            return (loaded, writer, cancellation) => WriteAsync(loaded, writer, prompt, options, raw, cancellation);
        }
    }

    private static async Task WriteAsync(LoadedModel loaded, AnswerWriter writer, string prompt, ChatOptions? options, object? raw, CancellationToken cancellationToken)
    {
        var how = GenerationMapper.Map(options, raw, writer.Defaults, loaded.Model.ChatGenerationConfig);
        var request = new BatchRequest
        {
            PromptIds = loaded.Tokenizer.Encode(prompt),
            Config = how.Generation,
            Adapter = writer.Adapter,
            Processors = how.Processors,
            Tokenizer = loaded.Tokenizer,
            ReusesPrefixes = how.Generation!.Seed is null,
        };
        loaded.RequireAllowedLength(request.PromptIds.Count);
        var stops = new StopSequenceFilter(how.Generation.StopStrings ?? []);
        if (how.Generation.NumBeams > 1)
        {
            // A beam search may yet change all of it: it is no answer among others.
            var text = await loaded.Engine.RunAsync(
                (model, either) => model.Generate(loaded.Tokenizer, prompt, Hear, how.Generation, how.Processors, either), writer.Adapter, cancellationToken).ConfigureAwait(false);
            Finish(text.FinishReason, text.PromptTokens, 0, text.CompletionTokens);
            return;
        }

        var answer = loaded.Engine.Submit(request, cancellationToken);
        // Not ended with the caller's token: the answer ends with it, and is over then.
        await foreach (var piece in answer.ReadTextAsync(loaded.Tokenizer, CancellationToken.None).ConfigureAwait(false))
            Hear(piece);
        var result = await answer.Completion.ConfigureAwait(false);
        Finish(result.Generation.FinishReasons[0], result.Generation.PromptTokens[0], result.CachedTokens, result.Generation.CompletionTokens[0]);

        void Finish(FinishReason reason, int promptTokens, int cachedTokens, int completionTokens)
        {
            Say(stops.Flush());
            writer.Finish(reason, false, promptTokens, cachedTokens, completionTokens, cancellationToken);
        }

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
