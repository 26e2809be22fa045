using System.Text;
using Spectre.Console;

namespace ChatGLM.Tool.Terminal;

/// <summary>Writes lines on a terminal above the bars that move there, which would otherwise be drawn over them.</summary>
/// <param name="console">The console of the bars.</param>
internal sealed class LinesAboveBars(IAnsiConsole console) : TextWriter
{
    private readonly StringBuilder _line = new();

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        if (value == '\n')
            Flush();
        else if (value != '\r')
            _line.Append(value);
    }

    public override void Write(string? value)
    {
        foreach (var c in value ?? "")
            Write(c);
    }

    public override void WriteLine(string? value) => Write(value + "\n");

    public override void Flush()
    {
        console.Write(new Padder(new Text(_line.ToString()), new Padding(0)).Expand()); // to the end of the line, where a bar may have been
        _line.Clear();
    }
}
