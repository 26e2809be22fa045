using System.Globalization;
using System.Text;

namespace ChatGLM.Tool.Terminal;

/// <summary>How many columns of a terminal a text takes: two for a Chinese character, none for an accent that stands on another.</summary>
internal static class DisplayWidth
{
    public static int Of(string text) => text.EnumerateRunes().Sum(Of);

    /// <summary>The text with spaces behind it.</summary>
    public static string PadRight(string text, int width) => text + new string(' ', Math.Max(0, width - Of(text)));

    /// <summary>The text with spaces before it.</summary>
    public static string PadLeft(string text, int width) => new string(' ', Math.Max(0, width - Of(text))) + text;

    private static int Of(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format or UnicodeCategory.Control
        ? 0
        : IsWide(rune.Value) ? 2 : 1;

    /// <summary>The blocks that Unicode's East Asian Width calls wide or full-width.</summary>
    private static bool IsWide(int value) => value is (>= 0x1100 and <= 0x115F) or (>= 0x2E80 and <= 0x303E) or (>= 0x3041 and <= 0xA4CF) or (>= 0xAC00 and <= 0xD7A3) or (>= 0xF900 and <= 0xFAFF)
        or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60) or (>= 0xFFE0 and <= 0xFFE6) or (>= 0x1F300 and <= 0x1F64F) or (>= 0x1F900 and <= 0x1F9FF) or (>= 0x20000 and <= 0x3FFFD);
}
