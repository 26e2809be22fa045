using System.Globalization;
using ChatGLM.Tensors;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace ChatGLM.Extensions.AI;

/// <summary>Reads options from a configuration section, by hand: without reflection, and strict about keys that do not exist.</summary>
internal static class ConfigurationReader
{
    private const string Known = "Model, ModelId, Revision, CacheDir, LocalFilesOnly, Dtype, QuantizationBit, Threads, MaxInputTokens, MaxOutputTokens, Temperature, TopP, TopK, RepetitionPenalty, MaxConcurrentRequests, PrefillTokens, CacheTokens, CacheFormat, "
        + "MaxQueueLength, MaxCachedConversations";

    /// <exception cref="OptionsValidationException">A key is not known, or its value is no value of its kind.</exception>
    public static void Read(string name, IConfiguration section, ChatGLMOptions options)
    {
        List<string> failures = [];
        foreach (var entry in section.GetChildren())
        {
            // An empty value is a key that somebody blanked out, as in an environment variable.
            if (entry.Value is { Length: 0 })
                continue;
            if (Set(entry, options) is { } expected)
                failures.Add($"{entry.Path}: {(entry.Value is null ? "found a section" : $"found '{entry.Value}'")}, expected {expected}.");
        }

        if (failures.Count > 0)
            throw new OptionsValidationException(name, typeof(ChatGLMOptions), failures);
    }

    /// <summary>Sets one field; else says what was expected.</summary>
    private static string? Set(IConfigurationSection entry, ChatGLMOptions options)
    {
        var key = entry.Key.ToUpperInvariant();
        if (entry.Value is not { } text)
            return key is "CONFIGUREMODEL" or "PREPAREMODEL" or "ADAPTERS" or "SELECTADAPTER" or "BATCHADAPTERS" ? "this only in code" : $"a key of {Known}";
        switch (key)
        {
            case "MODEL":
                options.Model = text;
                return null;
            case "MODELID":
                options.ModelId = text;
                return null;
            case "REVISION":
                options.Revision = text;
                return null;
            case "CACHEDIR":
                options.CacheDir = text;
                return null;
            case "LOCALFILESONLY":
                return bool.TryParse(text, out var flag) ? Done(options.LocalFilesOnly = flag) : "true or false";
            case "DTYPE":
                return TryReadDtype(text, out var dtype) ? Done(options.Dtype = dtype) : "float32, float16 or bfloat16";
            case "QUANTIZATIONBIT":
                return TryReadInteger(text, out var count) ? Done(options.QuantizationBit = count) : Integer;
            case "THREADS":
                return TryReadInteger(text, out count) ? Done(options.Threads = count) : Integer;
            case "MAXINPUTTOKENS":
                return TryReadInteger(text, out count) ? Done(options.MaxInputTokens = count) : Integer;
            case "MAXOUTPUTTOKENS":
                return TryReadInteger(text, out count) ? Done(options.MaxOutputTokens = count) : Integer;
            case "TEMPERATURE":
                return TryReadNumber(text, out var number) ? Done(options.Temperature = number) : Number;
            case "TOPP":
                return TryReadNumber(text, out number) ? Done(options.TopP = number) : Number;
            case "TOPK":
                return TryReadInteger(text, out count) ? Done(options.TopK = count) : Integer;
            case "REPETITIONPENALTY":
                return TryReadNumber(text, out number) ? Done(options.RepetitionPenalty = number) : Number;
            case "MAXCONCURRENTREQUESTS":
                return TryReadInteger(text, out count) ? Done(options.MaxConcurrentRequests = count) : Integer;
            case "PREFILLTOKENS":
                return TryReadInteger(text, out count) ? Done(options.PrefillTokens = count) : Integer;
            case "CACHETOKENS":
                return TryReadInteger(text, out count) ? Done(options.CacheTokens = count) : Integer;
            case "CACHEFORMAT":
                return TryReadFormat(text, out var format) ? Done(options.CacheFormat = format) : "float32, float16 or int8";
            case "MAXQUEUELENGTH":
                return TryReadInteger(text, out count) ? Done(options.MaxQueueLength = count) : Integer;
            case "MAXCACHEDCONVERSATIONS":
                return TryReadInteger(text, out count) ? Done(options.MaxCachedConversations = count) : Integer;
            default:
                return $"a key of {Known}";
        }
    }

    private const string Integer = "a whole number";
    private const string Number = "a number with a decimal point";

    private static string? Done<T>(T value) => null;

    private static bool TryReadInteger(string text, out int value) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    private static bool TryReadNumber(string text, out float value) => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && float.IsFinite(value);

    private static bool TryReadFormat(string text, out KeyValueFormat format)
    {
        (var isKnown, format) = text.ToUpperInvariant() switch
        {
            "FLOAT32" => (true, KeyValueFormat.Float32),
            "FLOAT16" => (true, KeyValueFormat.Float16),
            "INT8" => (true, KeyValueFormat.Int8),
            _ => (false, default),
        };
        return isKnown;
    }

    private static bool TryReadDtype(string text, out DType dtype)
    {
        dtype = text.ToUpperInvariant() switch
        {
            "FLOAT32" => DType.Float32,
            "FLOAT16" => DType.Float16,
            "BFLOAT16" => DType.BFloat16,
            _ => DType.Bool,
        };
        return dtype != DType.Bool;
    }
}
