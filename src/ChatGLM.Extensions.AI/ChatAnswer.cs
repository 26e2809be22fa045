using ChatGLM.Batching;
using ChatGLM.Generation;
using Microsoft.Extensions.AI;
using GlmOptions = ChatGLM.Models.ChatOptions;

namespace ChatGLM.Extensions.AI;

/// <summary>The answer to a chat's last message.</summary>
internal sealed class ChatAnswer(IReadOnlyList<ChatMessage> messages, ChatOptions? options, ToolList? tools, object? raw)
{
    /// <summary>Writes the answer, beside others of the same model.</summary>
    public async Task WriteAsync(LoadedModel loaded, AnswerWriter writer, CancellationToken cancellationToken)
    {
        var generation = loaded.Tokenizer.Generation;
        tools?.RequireSupportBy(generation);
        var prompt = ChatPrompt.Build(messages, options?.Instructions, tools, generation);
        var how = GenerationMapper.Map(options, raw, writer.Defaults, loaded.Model.ChatGenerationConfig) with { Role = prompt.Role };
        var request = BatchRequest.ForChat(loaded.Model, loaded.Tokenizer, prompt.Query, prompt.History, how) with
        {
            Adapter = writer.Adapter,
            // Who asks for a seed gets an answer that hangs on nothing else, whatever the backend promises about the bits of others.
            ReusesPrefixes = how.Generation!.Seed is null,
        };
        loaded.RequireAllowedLength(request.PromptIds.Count);
        var reader = new AnswerReader(generation, tools, how.Generation.StopStrings ?? []);
        if (how.Generation.NumBeams > 1)
        {
            var (text, beams) = await loaded.Engine.RunAsync((model, either) => Search(model, prompt, how, either), writer.Adapter, cancellationToken).ConfigureAwait(false);
            Hear(text);
            Finish(beams.FinishReason, beams.PromptTokens, beams.CachedTokens, beams.CompletionTokens);
            return;
        }

        var answer = loaded.Engine.Submit(request, cancellationToken);
        // Not ended with the caller's token: the answer ends with it, and is over then.
        await foreach (var piece in answer.ReadTextAsync(loaded.Tokenizer, CancellationToken.None).ConfigureAwait(false))
            Hear(piece);
        var result = await answer.Completion.ConfigureAwait(false);
        Finish(result.Generation.FinishReasons[0], result.Generation.PromptTokens[0], result.CachedTokens, result.Generation.CompletionTokens[0]);

        (string Text, Models.ChatResult Result) Search(Models.ChatGLMForConditionalGeneration model, ChatPrompt chat, GlmOptions search, CancellationToken either)
        {
            // A beam search may yet change all of it: it is no answer among others, and has the model to itself.
            using var session = model.StartChat(loaded.Tokenizer, new Chat.ChatHistory(chat.History));
            var found = session.Chat(chat.Query, search, either);
            return (found.Content, found);
        }

        void Hear(string piece)
        {
            writer.Begin();
            if (reader.Append(piece) is { } contents)
                writer.Write(contents);
        }

        void Finish(FinishReason reason, int promptTokens, int cachedTokens, int completionTokens)
        {
            if (reader.Finish() is { } rest)
                writer.Write(rest);
            if (reader.BadCall is { } bad)
                writer.NoteBadToolCall(bad.Tool, bad.Error);
            writer.Finish(reason, reader.CallsTool, promptTokens, cachedTokens, completionTokens, cancellationToken);
        }
    }
}
