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
}
