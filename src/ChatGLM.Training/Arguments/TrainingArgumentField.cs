using System.Globalization;
using System.Text.Json;

namespace ChatGLM.Training;

/// <summary>One argument: its name on disk, and how to read and write its value. The table of them stands in for reflection.</summary>
internal sealed class TrainingArgumentField
{
    private readonly Func<TrainingArguments, string, TrainingArguments> _set;
    private readonly Action<TrainingArguments, Utf8JsonWriter> _write;

    private TrainingArgumentField(string property, bool isFlag, bool isNullable, Func<TrainingArguments, string, TrainingArguments> set, Action<TrainingArguments, Utf8JsonWriter> write)
    {
        Name = SnakeCase.Of(property);
        (IsFlag, IsNullable, _set, _write) = (isFlag, isNullable, set, write);
    }

    /// <summary>The name on disk and on the command line.</summary>
    public string Name { get; }

    /// <summary>Whether the name alone on a command line means true.</summary>
    public bool IsFlag { get; }

    /// <summary>Whether it may be null.</summary>
    public bool IsNullable { get; }

    public static TrainingArgumentField Text(string property, Func<TrainingArguments, string?> get, Func<TrainingArguments, string?, TrainingArguments> set, bool nullable = false) => new(
        property, isFlag: false, nullable, (arguments, text) => set(arguments, nullable && IsNone(text) ? null : text), (arguments, json) => json.WriteStringValue(get(arguments)));

    public static TrainingArgumentField Flag(string property, Func<TrainingArguments, bool> get, Func<TrainingArguments, bool, TrainingArguments> set) => new(
        property, isFlag: true, isNullable: false, (arguments, text) => set(arguments, ReadFlag(property, text)), (arguments, json) => json.WriteBooleanValue(get(arguments)));

    public static TrainingArgumentField OptionalFlag(string property, Func<TrainingArguments, bool?> get, Func<TrainingArguments, bool?, TrainingArguments> set) => new(
        property,
        isFlag: true,
        isNullable: true,
        (arguments, text) => set(arguments, IsNone(text) ? null : ReadFlag(property, text)),
        (arguments, json) =>
        {
            if (get(arguments) is { } value)
                json.WriteBooleanValue(value);
            else
                json.WriteNullValue();
        });

    public static TrainingArgumentField Whole(string property, Func<TrainingArguments, long?> get, Func<TrainingArguments, long?, TrainingArguments> set, long least = int.MinValue, long most = int.MaxValue, bool nullable = false) => new(
        property,
        isFlag: false,
        nullable,
        (arguments, text) => set(arguments, nullable && IsNone(text) ? null : ReadWhole(property, text, least, most)),
        (arguments, json) =>
        {
            if (get(arguments) is { } value)
                json.WriteNumberValue(value);
            else
                json.WriteNullValue();
        });

    public static TrainingArgumentField Number(string property, Func<TrainingArguments, double?> get, Func<TrainingArguments, double?, TrainingArguments> set, bool nullable = false) => new(
        property,
        isFlag: false,
        nullable,
        (arguments, text) => set(arguments, nullable && IsNone(text) ? null : ReadNumber(property, text)),
        (arguments, json) =>
        {
            if (get(arguments) is { } value)
                json.WriteNumberValue(value);
            else
                json.WriteNullValue();
        });

    public static TrainingArgumentField Choice<T>(string property, Func<TrainingArguments, T> get, Func<TrainingArguments, T, TrainingArguments> set)
        where T : struct, Enum => new(
            property,
            isFlag: false,
            isNullable: false,
            (arguments, text) => set(arguments, ReadChoice<T>(property, text)),
            (arguments, json) => json.WriteStringValue(SnakeCase.Of(get(arguments))));

    /// <summary>Sets the argument from text as it stands on a command line.</summary>
    public TrainingArguments Set(TrainingArguments arguments, string text) => _set(arguments, text);

    /// <summary>Sets the argument from JSON.</summary>
    public TrainingArguments Set(TrainingArguments arguments, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => _set(arguments, value.GetString()!),
        JsonValueKind.Number => _set(arguments, value.GetRawText()),
        JsonValueKind.True => _set(arguments, "true"),
        JsonValueKind.False => _set(arguments, "false"),
        JsonValueKind.Null when IsNullable => _set(arguments, "none"),
        // Python writes report_to as a list.
        JsonValueKind.Array when value.GetArrayLength() <= 8 && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) =>
            _set(arguments, value.GetArrayLength() == 0 ? "none" : string.Join(",", value.EnumerateArray().Select(item => item.GetString()))),
        _ => throw new TrainingArgumentsException(Name, $"found {value.ValueKind.ToString().ToLowerInvariant()}, which is not a value of this argument."),
    };

    public void Write(TrainingArguments arguments, Utf8JsonWriter json)
    {
        json.WritePropertyName(Name);
        _write(arguments, json);
    }

    private static bool IsNone(string text) => text.Equals("none", StringComparison.OrdinalIgnoreCase) || text.Equals("null", StringComparison.OrdinalIgnoreCase);

    private static bool ReadFlag(string property, string text) => text.ToLowerInvariant() switch
    {
        "true" or "1" or "yes" or "y" or "t" => true,
        "false" or "0" or "no" or "n" or "f" => false,
        _ => throw new TrainingArgumentsException(SnakeCase.Of(property), $"expected true or false, found '{text}'."),
    };

    private static long ReadWhole(string property, string text, long least, long most) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
            ? value
            : throw new TrainingArgumentsException(SnakeCase.Of(property), $"expected a whole number from {least} to {most}, found '{text}'.");

    private static double ReadNumber(string property, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value)
            ? value
            : throw new TrainingArgumentsException(SnakeCase.Of(property), $"expected a number such as 2e-5, found '{text}'.");

    private static T ReadChoice<T>(string property, string text)
        where T : struct, Enum => SnakeCase.TryParse<T>(text, out var value)
            ? value
            : throw new TrainingArgumentsException(SnakeCase.Of(property), $"expected one of {SnakeCase.NamesOf<T>()}, found '{text}'.");
}
