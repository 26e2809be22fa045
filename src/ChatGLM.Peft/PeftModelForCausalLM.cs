using ChatGLM.Chat;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Peft;

/// <summary>A model that answers, with adapters (<c>peft.PeftModelForCausalLM</c>).</summary>
public class PeftModelForCausalLM : PeftModel
{
    internal PeftModelForCausalLM(ChatGLMForConditionalGeneration model)
        : base(model) => Model = model;

    /// <summary>The base model. All of its methods go through the active adapters.</summary>
    public ChatGLMForConditionalGeneration Model { get; }

    /// <inheritdoc cref="ChatGLMForConditionalGeneration.Generate(ModelInputs, GenerationConfig?, IReadOnlyList{LogitsProcessor}?, Tensors.TorchGenerator?, Action{int, int}?, CancellationToken)"/>
    public GenerationResult Generate(ModelInputs prompts, GenerationConfig? config = null, CancellationToken cancellationToken = default) =>
        Model.Generate(prompts, config, cancellationToken: cancellationToken);

    /// <inheritdoc cref="ChatGLMForConditionalGeneration.Generate(ChatGLMTokenizer, string, GenerationConfig?, CancellationToken)"/>
    public TextGenerationResult Generate(ChatGLMTokenizer tokenizer, string prompt, GenerationConfig? config = null, CancellationToken cancellationToken = default) =>
        Model.Generate(tokenizer, prompt, config, cancellationToken);

    /// <inheritdoc cref="ChatGLMForConditionalGeneration.StartChat"/>
    public ChatSession StartChat(ChatGLMTokenizer tokenizer, ChatHistory? history = null) => Model.StartChat(tokenizer, history);

    /// <inheritdoc cref="ChatGLMForConditionalGeneration.Chat"/>
    public ChatResult Chat(ChatGLMTokenizer tokenizer, string query, ChatHistory? history = null, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        Model.Chat(tokenizer, query, history, options, cancellationToken);

    /// <inheritdoc cref="ChatGLMForConditionalGeneration.StreamChatAsync"/>
    public IAsyncEnumerable<string> StreamChatAsync(
        ChatGLMTokenizer tokenizer, string query, ChatHistory? history = null, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        Model.StreamChatAsync(tokenizer, query, history, options, cancellationToken);

    /// <summary>Generates from prompts, each through an adapter of its own (<c>generate(..., adapter_names=...)</c>); beams and returned sequences go with their prompt.</summary>
    /// <param name="prompts">Ids [batch, seq], padded on the left, with the mask and positions that the tokenizer gives.</param>
    /// <param name="adapterNames">An adapter for each row, or <see cref="PeftModel.BaseAdapterName"/> for the base alone.</param>
    /// <param name="config">The options; null for the model's own.</param>
    /// <param name="cancellationToken">Looked at before every layer of the prompt and before every token.</param>
    /// <inheritdoc cref="PeftModel.UseAdapters" path="/exception"/>
    public GenerationResult Generate(ModelInputs prompts, IReadOnlyList<string> adapterNames, GenerationConfig? config = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        using var rows = UseAdaptersFor(prompts.InputIds.Shape[0], adapterNames);
        return Generate(prompts, config, cancellationToken);
    }

    /// <summary>Generates from encoded texts, each through an adapter of its own.</summary>
    /// <param name="prompts">What a tokenizer's <c>EncodeBatch</c> gives.</param>
    /// <param name="adapterNames">An adapter for each row, or <see cref="PeftModel.BaseAdapterName"/> for the base alone.</param>
    /// <param name="config">The options; null for the model's own.</param>
    /// <param name="cancellationToken">Looked at before every layer of the prompt and before every token.</param>
    /// <inheritdoc cref="PeftModel.UseAdapters" path="/exception"/>
    public GenerationResult Generate(BatchEncoding prompts, IReadOnlyList<string> adapterNames, GenerationConfig? config = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        using var rows = UseAdaptersFor(prompts.Batch, adapterNames);
        return Model.Generate(prompts, config, cancellationToken);
    }

    /// <summary>Answers several questions of different people in one batch, each through an adapter of its own. For a conversation put the calls of <see cref="StartChat"/>'s session into
    /// <see cref="PeftModel.UseAdapters"/>.</summary>
    /// <param name="tokenizer">The tokenizer of the same snapshot.</param>
    /// <param name="queries">The questions.</param>
    /// <param name="adapterNames">An adapter for each question, or <see cref="PeftModel.BaseAdapterName"/> for the base alone.</param>
    /// <param name="config">The options; null for the reference's chat options.</param>
    /// <param name="cancellationToken">Ends the answers.</param>
    /// <inheritdoc cref="PeftModel.UseAdapters" path="/exception"/>
    public IReadOnlyList<ChatResult> Chat(
        ChatGLMTokenizer tokenizer, IReadOnlyList<string> queries, IReadOnlyList<string> adapterNames, GenerationConfig? config = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(queries);
        using var rows = UseAdaptersFor(queries.Count, adapterNames);
        var prompts = tokenizer.Pad([.. queries.Select(query => tokenizer.BuildChatInput(query))], new BatchEncodeOptions { Padding = PaddingStrategy.Longest });
        config = (config ?? Model.ChatGenerationConfig) with { EosTokenId = config?.EosTokenId ?? tokenizer.ChatEosTokenIds, NumReturnSequences = 1 };
        var result = Model.Generate(prompts, config, cancellationToken);
        return [.. Enumerable.Range(0, queries.Count).Select(Answer)];

        ChatResult Answer(int row)
        {
            var completion = result.Completion(row);
            if (result.FinishReasons[row] == FinishReason.Stop && completion.Length > 0)
                completion = completion[..^1]; // the token that ended it
            return new ChatResult
            {
                Response = tokenizer.ProcessResponse(tokenizer.Decode(completion)),
                FinishReason = result.FinishReasons[row],
                PromptTokens = result.PromptTokens[row],
                CachedTokens = 0,
                CompletionTokens = result.CompletionTokens[row],
            };
        }
    }
}
