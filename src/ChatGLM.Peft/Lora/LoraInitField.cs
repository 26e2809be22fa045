using System.Globalization;
using System.Text.Json;
using ChatGLM.Peft.Config;

namespace ChatGLM.Peft.Lora;

/// <summary>The fields <c>init_lora_weights</c>, which is a truth value or a name, and <c>loftq_config</c>.</summary>
internal static class LoraInitField
{
    /// <summary>Published adapters use up to 64; each costs two passes over the base's weights.</summary>
    public const int MaxIterations = 200;

    private const string Name = "init_lora_weights";
    private const string Iterations = "pissa_niter_";

    public static InitLoraWeights Read(ConfigFields fields)
    {
        if (!fields.TryGet(Name, out var value))
            return InitLoraWeights.Default;
        if (value.ValueKind != JsonValueKind.String)
            return fields.Bool(Name, true) ? InitLoraWeights.Default : InitLoraWeights.Random;
        return value.GetString() switch
        {
            "gaussian" => InitLoraWeights.Gaussian,
            "pissa" => InitLoraWeights.Pissa,
            "olora" => InitLoraWeights.Olora,
            "loftq" => InitLoraWeights.Loftq,
            var name when name!.StartsWith(Iterations, StringComparison.Ordinal) => InitLoraWeights.Pissa,
            _ => throw fields.Wrong(Name, "true, false, \"gaussian\", \"pissa\", \"pissa_niter_[n]\", \"olora\" or \"loftq\"", value),
        };
    }

    public static int? ReadIterations(ConfigFields fields)
    {
        if (!fields.TryGet(Name, out var value) || value.ValueKind != JsonValueKind.String || value.GetString() is not { } name || !name.StartsWith(Iterations, StringComparison.Ordinal))
            return null;
        return int.TryParse(name.AsSpan(Iterations.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? count
            : throw fields.Wrong(Name, "pissa_niter_ and a whole number", value);
    }

    public static LoftqConfig? ReadLoftq(ConfigFields fields)
    {
        if (!fields.TryGet(Name, out var init) || init.ValueKind != JsonValueKind.String || init.GetString() != "loftq")
            return null;
        var numbers = fields.Numbers("loftq_config");
        int Whole(string key, int fallback) => !numbers.TryGetValue(key, out var number) ? fallback
            : number is >= 0 and <= MaxIterations && number == Math.Truncate(number) ? (int)number
            : throw new AdapterConfigException(fields.Source, "loftq_config", $"has {PythonJson.Number(number)} for {key}, expected a whole number up to {MaxIterations}.");
        return new LoftqConfig { LoftqBits = Whole("loftq_bits", 4), LoftqIter = Whole("loftq_iter", 1) };
    }

    public static string Write(LoraConfig config) => config.InitLoraWeights switch
    {
        InitLoraWeights.Random => "false",
        InitLoraWeights.Gaussian => PythonJson.String("gaussian"),
        InitLoraWeights.Pissa => PythonJson.String(config.PissaIterations is { } count ? Iterations + count.ToString(CultureInfo.InvariantCulture) : "pissa"),
        InitLoraWeights.Olora => PythonJson.String("olora"),
        InitLoraWeights.Loftq => PythonJson.String("loftq"),
        _ => "true",
    };

    public static string WriteLoftq(LoftqConfig? config) => config is null
        ? "{}"
        : PythonJson.Object([KeyValuePair.Create("loftq_bits", PythonJson.Int(config.LoftqBits)), KeyValuePair.Create("loftq_iter", PythonJson.Int(config.LoftqIter))], 1);
}
