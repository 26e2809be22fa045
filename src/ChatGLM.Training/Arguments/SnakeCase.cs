using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace ChatGLM.Training;

/// <summary>Names as transformers writes them on disk and on the command line, made from those of C#.</summary>
internal static class SnakeCase
{
    /// <summary><c>PerDeviceTrainBatchSize</c> to <c>per_device_train_batch_size</c>.</summary>
    public static string Of(string name)
    {
        var text = new StringBuilder(name.Length + 8);
        foreach (var c in name)
        {
            if (char.IsAsciiLetterUpper(c) && text.Length > 0)
                text.Append('_');
            text.Append(char.ToLowerInvariant(c));
        }

        // The words of optimizers: adamw_8bit is Adamw8Bit here.
        return text.Replace("32_bit", "_32bit").Replace("8_bit", "_8bit").ToString();
    }

    /// <summary>What is left of a name when its casing does not count: the same for <c>max_steps</c>, <c>max-steps</c> and <c>MaxSteps</c>.</summary>
    public static string Bare(ReadOnlySpan<char> name)
    {
        var text = new StringBuilder(name.Length);
        foreach (var c in name)
        {
            if (c is not ('_' or '-'))
                text.Append(char.ToLowerInvariant(c));
        }

        return text.ToString();
    }

    public static string Of<T>(T value)
        where T : struct, Enum => Of(value.ToString());

    public static bool TryParse<T>(string text, [NotNullWhen(true)] out T value)
        where T : struct, Enum
    {
        value = default;
        // Enum.TryParse takes numbers and lists too.
        return text.Length > 0 && char.IsAsciiLetter(text[0]) && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') && Enum.TryParse(Bare(text), ignoreCase: true, out value);
    }

    public static string NamesOf<T>()
        where T : struct, Enum => string.Join(", ", Enum.GetNames<T>().Select(Of));
}
