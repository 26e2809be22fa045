using System.Text.Json;
using ChatGLM.Training;

namespace ChatGLM.Samples;

/// <summary>A JSON file of arguments in place of a command line, as transformers' <c>HfArgumentParser</c> takes it.</summary>
internal static class ArgumentFile
{
    private const int LargestFileBytes = 1 << 20;

    /// <summary>The command line that a file stands for, if it is the only word; else the words themselves.</summary>
    /// <exception cref="TrainingArgumentsException">The file cannot be read, or holds no object of arguments.</exception>
    public static IReadOnlyList<string> Expand(IReadOnlyList<string> words)
    {
        if (words is not [var path] || !path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) || path.StartsWith('-'))
            return words;
        if (new FileInfo(path) is not { Exists: true, Length: <= LargestFileBytes })
            throw new TrainingArgumentsException(path, $"expected a JSON file of arguments, of at most {LargestFileBytes} bytes; there is none.");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = 16 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new TrainingArgumentsException(path, "expected an object of arguments, such as {\"do_train\": true, ...}.");
            return [.. document.RootElement.EnumerateObject().Where(argument => argument.Value.ValueKind != JsonValueKind.Null).Select(argument => $"--{argument.Name}={Text(path, argument)}")];
        }
        catch (JsonException error)
        {
            throw new TrainingArgumentsException(path, $"not JSON: {error.Message}");
        }
    }

    /// <summary>Flags as Python's parsers take them: dashes and underscores are the same.</summary>
    public static IReadOnlyList<string> Normalize(IReadOnlyList<string> words) => [.. words.Select(word =>
    {
        if (!word.StartsWith("--", StringComparison.Ordinal))
            return word;
        var equals = word.IndexOf('=', StringComparison.Ordinal);
        var name = equals < 0 ? word : word[..equals];
        return "--" + name[2..].Replace('-', '_') + word[name.Length..];
    })];

    private static string Text(string path, JsonProperty argument) => argument.Value.ValueKind switch
    {
        JsonValueKind.String => argument.Value.GetString()!,
        JsonValueKind.Number => argument.Value.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Array => string.Join(',', argument.Value.EnumerateArray().Select(item => item.ToString())),
        _ => throw new TrainingArgumentsException(argument.Name, $"{path}: expected a value, found an object."),
    };
}
