using System.Text;

namespace ChatGLM.Tool.Tests;

/// <summary>Does something the first time that a word is written.</summary>
internal sealed class PressingWriter(TextWriter inner, string word, Action press) : TextWriter
{
    private bool _isPressed;

    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Write(value.ToString());

    public override void Write(string? value)
    {
        inner.Write(value);
        if (_isPressed || value?.Contains(word, StringComparison.Ordinal) != true)
            return;
        _isPressed = true;
        press();
    }
}
