using System.Text.Json;
using ChatGLM.Samples.Server.Http;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>A request for <c>/v1/completions</c>.</summary>
/// <param name="Generation">The model, and how to continue.</param>
/// <param name="Prompts">The texts to continue, each by itself.</param>
internal sealed record CompletionRequest(GenerationFields Generation, IReadOnlyList<string> Prompts)
{
    /// <summary>The length of those who do not say, as OpenAI has it.</summary>
    private const int DefaultMaxTokens = 16;

    public static CompletionRequest Read(JsonElement body, ServerOptions limits)
    {
        var fields = new JsonFields(body);
        var generation = GenerationFields.Read(fields, limits, DefaultMaxTokens);
        var prompts = fields.Strings("prompt", limits.MaxInputs) ?? throw fields.Missing("prompt", "text, or an array of texts");
        if (prompts.Count == 0)
            throw ApiException.Invalid("'prompt' is empty, expected at least one text.", "prompt");
        fields.Refuse("best_of", GenerationFields.IsOne, "Ask once for each answer.");
        fields.Refuse("echo", GenerationFields.IsFalse, "Put the prompt before the answer yourself.");
        fields.Refuse("suffix", _ => false, "These models only continue.");
        fields.Refuse("logprobs", _ => false, "Leave it out.");
        fields.RequireNoOthers();
        return new CompletionRequest(generation, prompts);
    }
}
