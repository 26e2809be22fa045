using System.Buffers;
using System.Collections;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace ChatGLM.Generation;

/// <summary>The options' names in generation_config.json, and how each is read and written.</summary>
internal static class GenerationConfigJson
{
    private static readonly GenerationConfig Defaults = new();

    private static readonly Dictionary<string, Field> Fields = new()
    {
        // In Python null switches a filter off, which is not always the default.
        ["max_length"] = new((c, v) => c with { MaxLength = v.Int() ?? c.MaxLength }, c => c.MaxLength),
        ["max_new_tokens"] = new((c, v) => c with { MaxNewTokens = v.Int() }, c => c.MaxNewTokens),
        ["min_length"] = new((c, v) => c with { MinLength = v.Int() ?? 0 }, c => c.MinLength),
        ["min_new_tokens"] = new((c, v) => c with { MinNewTokens = v.Int() }, c => c.MinNewTokens),
        ["do_sample"] = new((c, v) => c with { DoSample = v.Bool() ?? false }, c => c.DoSample),
        ["num_beams"] = new((c, v) => c with { NumBeams = v.Int() ?? 1 }, c => c.NumBeams),
        ["early_stopping"] = new((c, v) => c with { EarlyStopping = v.EarlyStopping() }, c => EarlyStoppingValue(c.EarlyStopping)),
        ["length_penalty"] = new((c, v) => c with { LengthPenalty = v.Double() ?? 1 }, c => c.LengthPenalty),
        ["num_return_sequences"] = new((c, v) => c with { NumReturnSequences = v.Int() ?? 1 }, c => c.NumReturnSequences),
        ["temperature"] = new((c, v) => c with { Temperature = v.Double() ?? 1 }, c => c.Temperature),
        ["top_k"] = new((c, v) => c with { TopK = v.Int() ?? 0 }, c => c.TopK),
        ["top_p"] = new((c, v) => c with { TopP = v.Double() ?? 1 }, c => c.TopP),
        ["min_p"] = new((c, v) => c with { MinP = v.Double() }, c => c.MinP),
        ["typical_p"] = new((c, v) => c with { TypicalP = v.Double() ?? 1 }, c => c.TypicalP),
        ["epsilon_cutoff"] = new((c, v) => c with { EpsilonCutoff = v.Double() ?? 0 }, c => c.EpsilonCutoff),
        ["eta_cutoff"] = new((c, v) => c with { EtaCutoff = v.Double() ?? 0 }, c => c.EtaCutoff),
        ["repetition_penalty"] = new((c, v) => c with { RepetitionPenalty = v.Double() ?? 1 }, c => c.RepetitionPenalty),
        ["no_repeat_ngram_size"] = new((c, v) => c with { NoRepeatNgramSize = v.Int() ?? 0 }, c => c.NoRepeatNgramSize),
        ["bad_words_ids"] = new((c, v) => c with { BadWordsIds = v.TokenLists() }, c => c.BadWordsIds),
        ["sequence_bias"] = new((c, v) => c with { SequenceBias = v.SequenceBias() }, c => c.SequenceBias?.Select(s => new object[] { s.Tokens, s.Bias })),
        ["suppress_tokens"] = new((c, v) => c with { SuppressTokens = v.Tokens() }, c => c.SuppressTokens),
        ["begin_suppress_tokens"] = new((c, v) => c with { BeginSuppressTokens = v.Tokens() }, c => c.BeginSuppressTokens),
        ["forced_bos_token_id"] = new((c, v) => c with { ForcedBosTokenId = v.Int() }, c => c.ForcedBosTokenId),
        ["forced_eos_token_id"] = new((c, v) => c with { ForcedEosTokenId = v.Tokens() }, c => OneOrMany(c.ForcedEosTokenId)),
        ["exponential_decay_length_penalty"] = new(
            (c, v) => c with { ExponentialDecayLengthPenalty = v.Decay() },
            c => c.ExponentialDecayLengthPenalty is { } decay ? new object[] { decay.StartIndex, decay.DecayFactor } : null),
        ["remove_invalid_values"] = new((c, v) => c with { RemoveInvalidValues = v.Bool() ?? false }, c => c.RemoveInvalidValues),
        ["renormalize_logits"] = new((c, v) => c with { RenormalizeLogits = v.Bool() ?? false }, c => c.RenormalizeLogits),
        ["stop_strings"] = new((c, v) => c with { StopStrings = v.Strings() }, c => c.StopStrings),
        ["bos_token_id"] = new((c, v) => c with { BosTokenId = v.Int() }, c => c.BosTokenId),
        ["eos_token_id"] = new((c, v) => c with { EosTokenId = v.Tokens() }, c => OneOrMany(c.EosTokenId)),
        ["pad_token_id"] = new((c, v) => c with { PadTokenId = v.Int() }, c => c.PadTokenId),
    };

    public static GenerationConfig Read(JsonElement root, string source, bool keepUnknown)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new GenerationConfigException(source, $"'{source}' holds a JSON {root.ValueKind}; an object with generation options was expected.");
        var config = new GenerationConfig();
        var unknown = new Dictionary<string, JsonElement>();
        foreach (var property in root.EnumerateObject())
        {
            if (Fields.TryGetValue(property.Name, out var field))
                config = field.Read(config, new GenerationConfigField(property.Value, property.Name, source));
            else if (keepUnknown)
                unknown[property.Name] = property.Value.Clone();
        }

        return unknown.Count == 0 ? config : config with { AdditionalProperties = unknown };
    }

    public static byte[] Write(GenerationConfig config)
    {
        var buffer = new ArrayBufferWriter<byte>();
        // Stop strings may be Chinese; escaping them would be as right and harder to read.
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            json.WriteStartObject();
            foreach (var name in Fields.Keys.Union(config.AdditionalProperties.Keys).Order(StringComparer.Ordinal))
            {
                var isOption = Fields.TryGetValue(name, out var field);
                var value = isOption ? field!.Get(config) : config.AdditionalProperties[name];
                if (isOption && Equals(value, field!.Get(Defaults)))
                    continue;
                json.WritePropertyName(name);
                WriteValue(json, value);
            }

            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteValue(Utf8JsonWriter json, object? value)
    {
        switch (value)
        {
            case null:
                json.WriteNullValue();
                break;
            case int number:
                json.WriteNumberValue(number);
                break;
            case double number when number == Math.Truncate(number) && Math.Abs(number) < 1e15:
                // Python tells 1 and 1.0 apart, and these options are floats there.
                json.WriteRawValue(number.ToString("0.0", System.Globalization.CultureInfo.InvariantCulture));
                break;
            case double number:
                json.WriteNumberValue(number);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case string text:
                json.WriteStringValue(text);
                break;
            case JsonElement element:
                // As it stood in the file: an escaped half of a surrogate pair is JSON, but no text that could be written anew.
                json.WriteRawValue(element.GetRawText(), skipInputValidation: true);
                break;
            case IEnumerable list:
                json.WriteStartArray();
                foreach (var item in list)
                    WriteValue(json, item);
                json.WriteEndArray();
                break;
        }
    }

    private static object EarlyStoppingValue(EarlyStopping value) => value == EarlyStopping.Never ? "never" : value == EarlyStopping.True;

    private static object? OneOrMany(IReadOnlyList<int>? tokens) => tokens is [var one] ? one : tokens;

    private sealed record Field(Func<GenerationConfig, GenerationConfigField, GenerationConfig> Read, Func<GenerationConfig, object?> Get);
}
