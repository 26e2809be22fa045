using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>What stands at the top of each answer and each piece of one.</summary>
/// <param name="Id">The answer's id.</param>
/// <param name="Model">The model or adapter that answers.</param>
/// <param name="CreatedAt">When it began.</param>
internal sealed record ResponseHead(string Id, string Model, DateTimeOffset CreatedAt)
{
    public static ResponseHead Of(ChatResponseUpdate update) => new(update.ResponseId!, update.ModelId!, update.CreatedAt!.Value);

    public void Write(Utf8JsonWriter writer, string kind)
    {
        writer.WriteString("id", Id);
        writer.WriteString("object", kind);
        writer.WriteNumber("created", CreatedAt.ToUnixTimeSeconds());
        writer.WriteString("model", Model);
    }

    public static void WriteUsage(Utf8JsonWriter writer, UsageDetails usage)
    {
        writer.WriteStartObject("usage");
        writer.WriteNumber("prompt_tokens", usage.InputTokenCount ?? 0);
        writer.WriteNumber("completion_tokens", usage.OutputTokenCount ?? 0);
        writer.WriteNumber("total_tokens", usage.TotalTokenCount ?? 0);
        writer.WriteStartObject("prompt_tokens_details");
        writer.WriteNumber("cached_tokens", usage.CachedInputTokenCount ?? 0);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}
