using System.Globalization;
using ChatGLM.Tensors;
using Microsoft.Extensions.Options;

namespace ChatGLM.Extensions.AI;

/// <summary>Says everything that is wrong with options at once, field by field.</summary>
internal sealed class ChatGLMOptionsValidator(bool requiresModel) : IValidateOptions<ChatGLMOptions>
{
    public ValidateOptionsResult Validate(string? name, ChatGLMOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        void Check(bool isValid, string field, object? found, string expected)
        {
            if (!isValid)
                result.AddError(string.Create(CultureInfo.InvariantCulture, $"found '{found}', expected {expected}."), name is null or "" ? field : $"{name}:{field}");
        }

        Check(!requiresModel || !string.IsNullOrWhiteSpace(options.Model), nameof(options.Model), options.Model, "a snapshot folder or a repo id such as THUDM/chatglm3-6b");
        Check(options.ModelId is null || options.ModelId.Trim().Length > 0, nameof(options.ModelId), options.ModelId, "a name, or nothing");
        Check(options.Dtype is null or DType.Float32 or DType.Float16 or DType.BFloat16, nameof(options.Dtype), options.Dtype, "Float32, Float16 or BFloat16");
        Check(options.QuantizationBit is null or 4 or 8, nameof(options.QuantizationBit), options.QuantizationBit, "4 or 8");
        Check(options.Threads is null or (>= 1 and <= 1024), nameof(options.Threads), options.Threads, "1 to 1024");
        Check(options.MaxInputTokens is null or >= 1, nameof(options.MaxInputTokens), options.MaxInputTokens, "at least 1");
        Check(options.MaxOutputTokens is null or >= 1, nameof(options.MaxOutputTokens), options.MaxOutputTokens, "at least 1");
        Check(options.Temperature is null or (>= 0 and <= 100), nameof(options.Temperature), options.Temperature, "0 to 100; 0 takes the best token always");
        Check(options.TopP is null or (> 0 and <= 1), nameof(options.TopP), options.TopP, "above 0 and at most 1");
        Check(options.TopK is null or >= 0, nameof(options.TopK), options.TopK, "at least 0; 0 is all tokens");
        Check(options.RepetitionPenalty is null or (> 0 and <= 100), nameof(options.RepetitionPenalty), options.RepetitionPenalty, "above 0 and at most 100; 1 switches it off");
        Check(options.MaxConcurrentRequests is >= 1 and <= 4096, nameof(options.MaxConcurrentRequests), options.MaxConcurrentRequests, "1 to 4096");
        Check(options.PrefillTokens >= 1, nameof(options.PrefillTokens), options.PrefillTokens, "at least 1");
        Check(options.CacheTokens is null or >= 256, nameof(options.CacheTokens), options.CacheTokens, "at least 256");
        Check(options.CacheFormat is null || Enum.IsDefined(options.CacheFormat.Value), nameof(options.CacheFormat), options.CacheFormat, "Float32, Float16 or Int8");
        Check(options.MaxQueueLength >= 0, nameof(options.MaxQueueLength), options.MaxQueueLength, "at least 0");
        Check(options.MaxCachedConversations is >= 0 and <= 4096, nameof(options.MaxCachedConversations), options.MaxCachedConversations, "0 to 4096");
        Check(options.Adapters.Count == 0 || options.SelectAdapter is not null || options.BatchAdapters is not null, nameof(options.SelectAdapter), options.SelectAdapter, $"something that selects one of {nameof(options.Adapters)}");
        var names = new HashSet<string>(StringComparer.Ordinal) { options.Name };
        foreach (var adapter in options.Adapters)
            Check(!string.IsNullOrWhiteSpace(adapter) && names.Add(adapter), nameof(options.Adapters), adapter, "names that differ from each other and from the model's");
        return result.Build();
    }

    /// <summary>Checks options that come without a container.</summary>
    /// <exception cref="OptionsValidationException">A field has a value that cannot be used.</exception>
    public static void ThrowIfInvalid(ChatGLMOptions options, bool requiresModel)
    {
        if (new ChatGLMOptionsValidator(requiresModel).Validate(null, options) is { Failed: true } result)
            throw new OptionsValidationException(Options.DefaultName, typeof(ChatGLMOptions), result.Failures);
    }
}
