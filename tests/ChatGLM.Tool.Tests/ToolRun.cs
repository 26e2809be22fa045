using System.Text.Json.Nodes;
using ChatGLM.Samples;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Tests;

/// <summary>A run of the command inside the test, with texts in place of a terminal, and a folder of its own.</summary>
internal sealed class ToolRun : IDisposable
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public string Folder { get; } = Directory.CreateTempSubdirectory("chatglm-tool-").FullName;

    /// <summary>What the next run reads.</summary>
    public string Input { get; set; } = "";

    /// <summary>Whether somebody types, and is asked.</summary>
    public bool IsTyped { get; set; }

    /// <summary>What stands between the command and its output or error output, such as one that presses Ctrl+C.</summary>
    public Func<ToolConsole, TextWriter, TextWriter>? Watch { get; set; }

    public string Output => _output.ToString();

    public string Error => _error.ToString();

    /// <summary>The output as JSON.</summary>
    public JsonNode Json => JsonNode.Parse(Output)!;

    /// <summary>Each line of the output as JSON.</summary>
    public IReadOnlyList<JsonNode> JsonLines => [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];

    public static string Demo => DemoSnapshot.Folder;

    public string PathOf(params string[] parts) => Path.Combine([Folder, .. parts]);

    /// <summary>Writes a file into the folder.</summary>
    /// <returns>Its path.</returns>
    public string Write(string name, string text)
    {
        File.WriteAllText(PathOf(name), text);
        return PathOf(name);
    }

    /// <summary>Runs a command line. What an earlier run wrote is forgotten.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(params string[] args)
    {
        _output.GetStringBuilder().Clear();
        _error.GetStringBuilder().Clear();
        return await ToolHost.RunAsync(args, Console());
    }

    /// <summary>A console over the texts.</summary>
    public ToolConsole Console()
    {
        // The writer that presses Ctrl+C has to know the console, which has to know the writer.
        var (output, error) = (new LateWriter(_output), new LateWriter(_error));
        var console = new ToolConsole(new StringReader(Input), output, error) { IsInputRedirected = !IsTyped };
        if (Watch is { } watch)
            (output.Inner, error.Inner) = (watch(console, _output), watch(console, _error));
        return console;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private sealed class LateWriter(TextWriter inner) : TextWriter
    {
        public TextWriter Inner { get; set; } = inner;

        public override System.Text.Encoding Encoding => System.Text.Encoding.UTF8;

        public override void Write(char value) => Inner.Write(value);

        public override void Write(string? value) => Inner.Write(value);

        public override void WriteLine(string? value) => Inner.Write(value + "\n");

        public override void WriteLine() => Inner.Write("\n");
    }
}
