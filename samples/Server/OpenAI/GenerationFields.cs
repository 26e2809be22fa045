using System.Text.Json;
using ChatGLM.Samples.Server.Http;
using Microsoft.Extensions.AI;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>What requests for chats and for texts have in common.</summary>
/// <param name="Model">The model or adapter asked for.</param>
/// <param name="Options">How to generate.</param>
/// <param name="IsStream">Whether the answer comes in pieces.</param>
/// <param name="IncludesUsage">Whether a stream ends with its counts.</param>
internal sealed record GenerationFields(string Model, ChatOptions Options, bool IsStream, bool IncludesUsage)
{
    private const int MaxStops = 16;
    private const int MaxStopLength = 1024;

    /// <summary>Reads the fields; the caller then reads its own.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="limits">What a request may ask for.</param>
    /// <param name="defaultMaxTokens">The length of those who do not say.</param>
    public static GenerationFields Read(JsonFields fields, ServerOptions limits, int? defaultMaxTokens)
    {
        var model = fields.RequiredString("model");
        var isStream = fields.Boolean("stream") ?? false;
        var options = new ChatOptions
        {
            ModelId = model,
            MaxOutputTokens = MaxTokens(fields, limits) ?? defaultMaxTokens,
            Temperature = fields.Number("temperature", 0, 2),
            TopP = fields.Number("top_p", 0, 1),
            TopK = (int?)fields.Integer("top_k", 0, int.MaxValue),
            Seed = fields.Integer("seed"),
            FrequencyPenalty = fields.Number("frequency_penalty", -2, 2),
            PresencePenalty = fields.Number("presence_penalty", -2, 2),
            StopSequences = Stops(fields),
        };
        if (fields.Number("repetition_penalty", 0.01f, 100) is { } penalty)
            options.AdditionalProperties = new AdditionalPropertiesDictionary { ["repetition_penalty"] = penalty };
        var includesUsage = StreamOptions(fields, isStream);
        fields.Refuse("n", IsOne, "Ask once for each answer.");
        fields.Refuse("logit_bias", IsEmptyObject, "Leave it out.");
        fields.Ignore("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key");
        return new GenerationFields(model, options, isStream, includesUsage);
    }

    public static bool IsOne(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number == 1;

    public static bool IsFalse(JsonElement value) => value.ValueKind == JsonValueKind.False;

    private static bool IsEmptyObject(JsonElement value) => value.ValueKind == JsonValueKind.Object && !value.EnumerateObject().Any();

    private static int? MaxTokens(JsonFields fields, ServerOptions limits)
    {
        var most = limits.MaxOutputTokens ?? int.MaxValue;
        var now = (int?)fields.Integer("max_completion_tokens", 1, most);
        var before = (int?)fields.Integer("max_tokens", 1, most);
        return now is not null && before is not null && now != before
            ? throw ApiException.Invalid("'max_tokens' and 'max_completion_tokens' are two names of one thing, and differ. Leave one out.", "max_tokens")
            : now ?? before ?? limits.MaxOutputTokens;
    }

    private static List<string>? Stops(JsonFields fields)
    {
        if (fields.Strings("stop", MaxStops) is not { Count: > 0 } stops)
            return null;
        return stops.FirstOrDefault(s => s.Length is 0 or > MaxStopLength) is { } stop
            ? throw ApiException.Invalid($"'stop' holds a text of {stop.Length} characters, expected 1 to {MaxStopLength}.", "stop")
            : [.. stops];
    }

    private static bool StreamOptions(JsonFields fields, bool isStream)
    {
        if (fields.Take("stream_options") is not { } value)
            return false;
        if (!isStream)
            throw ApiException.Invalid("'stream_options' is only for requests with 'stream': true.", "stream_options");
        var options = new JsonFields(value, "stream_options");
        var includesUsage = options.Boolean("include_usage") ?? false;
        options.Ignore("include_obfuscation");
        options.RequireNoOthers();
        return includesUsage;
    }
}
