using System.Text.Json;
using ChatGLM.Samples.Server.Http;
using Microsoft.Extensions.AI;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>A request for <c>/v1/chat/completions</c>, read strictly: what this server cannot do is refused by name, never left out in silence.</summary>
/// <param name="Generation">The model, and how to answer.</param>
/// <param name="Messages">The conversation.</param>
internal sealed record ChatRequest(GenerationFields Generation, IReadOnlyList<ChatMessage> Messages)
{
    public static ChatRequest Read(JsonElement body, ServerOptions limits)
    {
        var fields = new JsonFields(body);
        var generation = GenerationFields.Read(fields, limits, null);
        var messages = MessageReader.Read(fields, limits.MaxMessages);
        ReadTools(fields, limits.MaxTools, generation.Options);
        fields.Refuse("response_format", IsTextFormat, "Ask for JSON in words: nothing here makes sure of it.");
        fields.Refuse("logprobs", GenerationFields.IsFalse, "Leave it out.");
        fields.Refuse("top_logprobs", value => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var count) && count == 0, "Leave it out.");
        fields.Refuse("modalities", value => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(m => JsonFields.Is(m, "text")), "Only text can be answered.");
        fields.Refuse("functions", _ => false, "Use 'tools'.");
        fields.Refuse("function_call", _ => false, "Use 'tool_choice'.");
        fields.Ignore("parallel_tool_calls");
        fields.RequireNoOthers();
        return new ChatRequest(generation, messages);
    }

    private static bool IsTextFormat(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty("type", out var type) && JsonFields.Is(type, "text");

    private static void ReadTools(JsonFields fields, int most, ChatOptions options)
    {
        var tools = fields.Array("tools", most) ?? [];
        foreach (var (element, path) in tools)
        {
            var tool = new JsonFields(element, path);
            if (tool.RequiredString("type") is not "function" and var type)
                throw ApiException.Invalid($"'{path}.type' is '{type}', expected 'function'.", $"{path}.type");
            var function = new JsonFields(tool.Take("function") ?? throw tool.Missing("function", "an object"), $"{path}.function");
            (options.Tools ??= []).Add(new DeclaredTool(function.RequiredString("name"), function.String("description") ?? "", Parameters(function)));
            function.Ignore("strict");
            function.RequireNoOthers();
            tool.RequireNoOthers();
        }

        if (fields.Take("tool_choice") is not { } choice)
            return;
        options.ToolMode = choice switch
        {
            _ when JsonFields.Is(choice, "auto") => ChatToolMode.Auto,
            _ when JsonFields.Is(choice, "none") => ChatToolMode.None,
            _ when JsonFields.Is(choice, "required") => ChatToolMode.RequireAny,
            { ValueKind: JsonValueKind.Object } => ChatToolMode.RequireAny,
            _ => throw fields.Wrong("tool_choice", choice, "'auto' or 'none'"),
        };
        if (tools.Count == 0)
            throw ApiException.Invalid("'tool_choice' is only for requests with 'tools'.", "tool_choice");
    }

    private static JsonElement Parameters(JsonFields function)
    {
        if (function.Take("parameters") is not { } parameters)
            return DeclaredTool.NoParameters;
        if (parameters.ValueKind != JsonValueKind.Object)
            throw function.Wrong("parameters", parameters, "an object with a JSON schema");
        JsonFields.RequireText(parameters, function.PathOf("parameters"));
        return parameters.Clone();
    }
}
