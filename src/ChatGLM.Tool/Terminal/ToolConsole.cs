using System.Text;
using Microsoft.Win32.SafeHandles;
using Spectre.Console;

namespace ChatGLM.Tool.Terminal;

/// <summary>
/// Everything that a command reads and writes. Results go to the output, and nothing else does; questions, progress, notes and errors go to the error output. So what is redirected is clean, and a test
/// can stand in for a person.
/// </summary>
internal sealed class ToolConsole
{
    public ToolConsole(TextReader input, TextWriter output, TextWriter error)
    {
        (In, Out, Error) = (input, output, error);
        (IsInputRedirected, IsOutputRedirected, IsErrorRedirected) = (true, true, true);
    }

    public TextReader In { get; }

    public TextWriter Out { get; }

    public TextWriter Error { get; }

    /// <summary>Whether the input is a file or a pipe, and nobody types.</summary>
    public bool IsInputRedirected { get; init; }

    /// <summary>Whether the output goes to a file or a pipe.</summary>
    public bool IsOutputRedirected { get; init; }

    /// <summary>Whether the error output goes to a file or a pipe.</summary>
    public bool IsErrorRedirected { get; init; }

    /// <summary>Reads an environment variable.</summary>
    public Func<string, string?> Environment { get; init; } = System.Environment.GetEnvironmentVariable;

    /// <summary>What Ctrl+C means now.</summary>
    public Interruption Interruption { get; } = new();

    /// <summary>Colours and tables on the output.</summary>
    public IAnsiConsole Output => field ??= Create(Out, IsOutputRedirected);

    /// <summary>Colours and bars on the error output.</summary>
    public IAnsiConsole Messages
    {
        get => field ??= Create(Error, IsErrorRedirected);
        init;
    }

    /// <summary>The console of the process.</summary>
    public static ToolConsole OfProcess()
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        Console.InputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        var output = Console.IsOutputRedirected ? Pipe() ?? Console.Out : Console.Out;
        return new ToolConsole(Console.In, output, Console.Error)
        {
            IsInputRedirected = Console.IsInputRedirected,
            IsOutputRedirected = Console.IsOutputRedirected,
            IsErrorRedirected = Console.IsErrorRedirected,
        };
    }

    /// <summary>The console's own stream takes no notice when the reader of a pipe has gone, and a command would go on computing for nobody.</summary>
    private static StreamWriter? Pipe()
    {
        if (OperatingSystem.IsWindows())
            return null;
        var stream = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        // A file is better written through the console: there, programs that share it write one behind the other.
        return stream.CanSeek ? null : new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };
    }

    /// <summary>Plain lines, never wrapped, where they go to a file or another program.</summary>
    private static IAnsiConsole Create(TextWriter writer, bool isRedirected)
    {
        var settings = new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) };
        if (isRedirected)
            (settings.Ansi, settings.ColorSystem, settings.Interactive) = (AnsiSupport.No, ColorSystemSupport.NoColors, InteractionSupport.No);
        var console = AnsiConsole.Create(settings);
        if (isRedirected)
            console.Profile.Width = int.MaxValue;
        return console;
    }
}
