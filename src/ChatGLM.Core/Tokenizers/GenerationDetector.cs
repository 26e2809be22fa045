using System.Text;
using System.Text.Json;

namespace ChatGLM.Tokenizers;

/// <summary>
/// Finds out which generation a folder's tokenizer is of. ChatGLM2 and 3 share class name and model file and differ only in the Python
/// script, so their folders are told apart by what mentions roles or the model's name.
/// </summary>
internal static class GenerationDetector
{
    private const string RoleToken = "<|assistant|>";

    /// <summary>From the configuration alone: 2 or 3, or null when it does not tell.</summary>
    public static ChatGLMGeneration? FromConfig(TokenizerConfig config)
    {
        if (config.Json.TryGetProperty("added_tokens_decoder", out var added) && added.ValueKind == JsonValueKind.Object
            && added.EnumerateObject().Any(token => token.Value.ValueKind == JsonValueKind.Object
                && token.Value.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.String && content.ValueEquals(RoleToken)))
        {
            return ChatGLMGeneration.ChatGLM3;
        }

        return FromName(config.GetString("name_or_path"));
    }

    /// <summary>From all files of a folder with a <c>tokenizer.model</c>.</summary>
    /// <param name="config">Its tokenizer configuration.</param>
    /// <param name="python">The text of its tokenization script, when it is there. It is only searched, never run.</param>
    /// <param name="modelConfig">Its <c>config.json</c>, when it is there.</param>
    /// <param name="folder">The folder, for its name.</param>
    public static ChatGLMGeneration? FromFolder(TokenizerConfig config, byte[]? python, TokenizerConfig? modelConfig, string folder)
    {
        if (FromConfig(config) is { } said)
            return said;
        if (python is not null)
            return python.AsSpan().IndexOf(Encoding.ASCII.GetBytes(RoleToken)) >= 0 ? ChatGLMGeneration.ChatGLM3 : ChatGLMGeneration.ChatGLM2;
        return FromName(modelConfig?.GetString("_name_or_path")) ?? FromName(folder);
    }

    private static ChatGLMGeneration? FromName(string? name)
    {
        if (name is null)
            return null;
        if (name.Contains("chatglm3", StringComparison.OrdinalIgnoreCase))
            return ChatGLMGeneration.ChatGLM3;
        return name.Contains("chatglm2", StringComparison.OrdinalIgnoreCase) || name.Contains("codegeex2", StringComparison.OrdinalIgnoreCase)
            ? ChatGLMGeneration.ChatGLM2
            : null;
    }
}
