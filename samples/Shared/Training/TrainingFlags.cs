using System.CommandLine;
using System.Text.Json;
using ChatGLM.Training;

namespace ChatGLM.Samples;

/// <summary>The flags of <see cref="TrainingArguments"/> on a command of a sample. The command leaves them alone, and they are read from what it did not know.</summary>
internal static class TrainingFlags
{
    /// <summary>What a command says of them in its help: names and defaults.</summary>
    public static string Help()
    {
        using var defaults = JsonDocument.Parse(new TrainingArguments { OutputDir = "" }.ToJson());
        return "Also transformers' training arguments, with their defaults: " + string.Join(", ", defaults.RootElement.EnumerateObject()
            .Select(argument => $"--{argument.Name}{(argument.Value.ValueKind is JsonValueKind.Null or JsonValueKind.False || argument.Value.ToString().Length == 0 ? "" : " " + argument.Value)}")) + ".";
    }

    /// <summary>Reads the flags that the command did not know.</summary>
    /// <param name="parsed">What the command made of the command line.</param>
    /// <param name="defaults">Flags that stand unless the user gives them.</param>
    /// <exception cref="TrainingArgumentsException">A value is wrong, or a word is no flag at all.</exception>
    public static TrainingArguments Read(ParseResult parsed, params IReadOnlyList<string> defaults)
    {
        var (arguments, unknown) = TrainingArguments.Parse([.. defaults, .. parsed.UnmatchedTokens]);
        return unknown.Count == 0 ? arguments : throw new TrainingArgumentsException(string.Join(' ', unknown.Take(4)), "there is no such flag.");
    }

    /// <summary>Whether the user has given a flag.</summary>
    public static bool IsGiven(ParseResult parsed, string name) =>
        parsed.UnmatchedTokens.Any(word => word == "--" + name || word.StartsWith($"--{name}=", StringComparison.Ordinal));
}
