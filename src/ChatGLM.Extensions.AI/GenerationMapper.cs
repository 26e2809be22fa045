using System.Globalization;
using System.Text.Json;
using ChatGLM.Generation;
using Microsoft.Extensions.AI;
using GlmOptions = ChatGLM.Models.ChatOptions;

namespace ChatGLM.Extensions.AI;

/// <summary>Turns the options of a request into those of ChatGLM.</summary>
internal static class GenerationMapper
{
    /// <summary>The key of <see cref="ChatOptions.AdditionalProperties"/> for what ChatOptions has no field for.</summary>
    public const string RepetitionPenalty = "repetition_penalty";

    /// <summary>Refuses, before anybody waits, what no model here can do.</summary>
    /// <exception cref="UnsupportedOptionException">The request asks for something that this client cannot do.</exception>
    public static void Check(ChatOptions? options)
    {
        if (options is null)
            return;
        if (options.ResponseFormat is not null and not ChatResponseFormatText)
            throw new UnsupportedOptionException(nameof(options.ResponseFormat), "json", "text: nothing here makes sure that an answer is JSON. Ask for JSON in words");
        if (options.ConversationId is { } conversation)
            throw new UnsupportedOptionException(nameof(options.ConversationId), $"'{conversation}'", "null: nothing is kept between requests; send the whole history");
        Within(nameof(options.Temperature), options.Temperature, 0, 100);
        Within(nameof(options.TopP), options.TopP, 0, 1);
        Within(nameof(options.FrequencyPenalty), options.FrequencyPenalty, -2, 2);
        Within(nameof(options.PresencePenalty), options.PresencePenalty, -2, 2);
        if (options.TopK < 0)
            throw new UnsupportedOptionException(nameof(options.TopK), string.Create(CultureInfo.InvariantCulture, $"{options.TopK}"), "at least 0; 0 is all tokens");
        if (options.MaxOutputTokens < 1)
            throw new UnsupportedOptionException(nameof(options.MaxOutputTokens), string.Create(CultureInfo.InvariantCulture, $"{options.MaxOutputTokens}"), "at least 1");
        if (options.StopSequences?.Any(string.IsNullOrEmpty) == true)
            throw new UnsupportedOptionException(nameof(options.StopSequences), "a list with an empty text", "texts of at least one character");
    }

    /// <summary>The options of the answer.</summary>
    /// <param name="options">What the request asks for.</param>
    /// <param name="raw">What the request's <see cref="ChatOptions.RawRepresentationFactory"/> made: <see cref="GlmOptions"/>, <see cref="GenerationConfig"/>, or nothing.</param>
    /// <param name="defaults">What the application asks for.</param>
    /// <param name="model">The model's own options for a chat.</param>
    public static GlmOptions Map(ChatOptions? options, object? raw, ChatGLMOptions defaults, GenerationConfig model)
    {
        var result = raw as GlmOptions ?? new GlmOptions();
        var config = result.Generation ?? raw as GenerationConfig ?? Apply(
            model, defaults.Temperature, defaults.TopP, defaults.TopK, defaults.MaxOutputTokens, defaults.RepetitionPenalty);
        config = Apply(config, options?.Temperature, options?.TopP, options?.TopK, options?.MaxOutputTokens, ReadRepetitionPenalty(options));
        config = config with
        {
            Seed = options?.Seed ?? config.Seed,
            StopStrings = options?.StopSequences is { Count: > 0 } stops ? [.. stops] : config.StopStrings,
        };
        config.Validate();
        if (config.NumReturnSequences > 1)
            throw new UnsupportedOptionException("num_return_sequences", "more than 1", "1: a chat has one answer");
        var processors = result.Processors;
        var (frequency, presence) = (options?.FrequencyPenalty ?? 0, options?.PresencePenalty ?? 0);
        if (frequency != 0 || presence != 0)
            processors = [.. processors, new FrequencyPenaltyLogitsProcessor(frequency, presence)];
        return result with { Generation = config, Processors = processors, RawResponse = true };
    }

    private static GenerationConfig Apply(GenerationConfig config, float? temperature, float? topP, int? topK, int? maxTokens, float? repetitionPenalty)
    {
        if (temperature is { } value)
            config = value == 0 ? config with { DoSample = false } : config with { DoSample = true, Temperature = Shortest(value) };
        if (topP is { } mass)
            config = config with { TopP = Shortest(mass) };
        if (topK is { } count)
            config = config with { TopK = count };
        if (maxTokens is { } tokens)
            config = config with { MaxNewTokens = tokens };
        return repetitionPenalty is { } penalty ? config with { RepetitionPenalty = Shortest(penalty) } : config;
    }

    /// <summary>0.8f as 0.8, the number that was meant, and not as 0.800000011920929.</summary>
    private static double Shortest(float value) => (double)(decimal)value;

    private static float? ReadRepetitionPenalty(ChatOptions? options)
    {
        if (options?.AdditionalProperties?.TryGetValue(RepetitionPenalty, out var value) != true || value is null)
            return null;
        var number = value switch
        {
            float f => f,
            double d => (float)d,
            int i => i,
            JsonElement { ValueKind: JsonValueKind.Number } json => (float)json.GetDouble(),
            _ => float.NaN,
        };
        return number is > 0 and <= 100 ? number : throw new UnsupportedOptionException(RepetitionPenalty, $"'{value}'", "a number above 0 and at most 100");
    }

    private static void Within(string option, float? value, float least, float most)
    {
        if (value is { } number && !(number >= least && number <= most))
            throw new UnsupportedOptionException(option, string.Create(CultureInfo.InvariantCulture, $"{number}"), string.Create(CultureInfo.InvariantCulture, $"{least} to {most}"));
    }
}
