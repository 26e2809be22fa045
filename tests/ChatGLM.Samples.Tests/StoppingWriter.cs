using System.Text;

namespace ChatGLM.Samples.Tests;

/// <summary>Asks for a stop when a word is written.</summary>
internal sealed class StoppingWriter(TextWriter inner, string word, CancellationTokenSource stop) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => inner.Write(value);

    public override void Write(string? value)
    {
        inner.Write(value);
        if (value?.Contains(word, StringComparison.Ordinal) == true)
            stop.Cancel();
    }

    public override void WriteLine(string? value) => Write(value + "\n");
}
