using System.Text.Json;
using ChatGLM.Tool.Chat;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Generation;

/// <summary>Collects the texts to continue.</summary>
internal static class PromptReader
{
    /// <exception cref="UsageException">There are none, or they come from two places.</exception>
    /// <exception cref="ToolFileException">A line of a .jsonl file is no object with a prompt.</exception>
    public static async Task<IReadOnlyList<string>> ReadAsync(string? prompt, string? file, bool lines, ToolConsole console, CancellationToken cancellationToken)
    {
        if (prompt is not null && file is not null)
            throw new UsageException("A text on the command line and --input exclude each other.");
        if (prompt is not null && prompt != "-")
            return [prompt];
        if (file is not null)
            return NotEmpty(await ReadFileAsync(file, cancellationToken));
        if (!console.IsInputRedirected && prompt is null)
            throw new UsageException("There is nothing to continue: give a text, a file with --input, or pipe one in.");
        var text = await Task.Run(console.In.ReadToEnd, CancellationToken.None).WaitAsync(cancellationToken);
        return NotEmpty(lines ? [.. text.Split('\n').Select(line => line.TrimEnd('\r')).Where(line => line.Length > 0)] : text.TrimEnd('\r', '\n') is { Length: > 0 } one ? [one] : []);
    }

    private static IReadOnlyList<string> NotEmpty(IReadOnlyList<string> prompts) => prompts.Count > 0 ? prompts : throw new UsageException("The input is empty: there is nothing to continue.");

    private static async Task<IReadOnlyList<string>> ReadFileAsync(string path, CancellationToken cancellationToken)
    {
        var isJson = path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase);
        var prompts = new List<string>();
        var number = 0;
        await foreach (var line in File.ReadLinesAsync(path, cancellationToken))
        {
            number++;
            if (line.Trim().Length > 0)
                prompts.Add(isJson ? Field(path, number, line) : line);
        }

        return prompts;
    }

    private static string Field(string path, int number, string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 64 });
            if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("prompt", out var prompt) && prompt.ValueKind == JsonValueKind.String)
                return prompt.GetString()!;
            throw new ToolFileException(path, $"line {number}: expected an object with a text \"prompt\".");
        }
        catch (JsonException error)
        {
            throw new ToolFileException(path, $"line {number} is no JSON: {error.Message}");
        }
    }
}
