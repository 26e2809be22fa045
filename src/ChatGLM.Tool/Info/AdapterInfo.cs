using System.Globalization;
using System.Text.Json.Nodes;
using ChatGLM.Formats;
using ChatGLM.Peft;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Info;

/// <summary>Describes adapters: peft's, and P-Tuning v2 prefixes.</summary>
internal static class AdapterInfo
{
    private const int MostFound = 64;
    private static readonly string[] AdapterFiles = ["adapter_model.safetensors", "adapter_model.bin"];

    /// <summary>Whether a folder holds an adapter of peft.</summary>
    public static bool IsAdapter(string folder) => File.Exists(Path.Combine(folder, PeftConfig.FileName));

    /// <summary>Describes an adapter of peft.</summary>
    public static InfoReport Describe(string name, string folder)
    {
        var config = PeftConfig.FromPretrained(folder);
        var fields = JsonNode.Parse(config.ToJson())!.AsObject();
        var rows = new List<(string, string)>
        {
            ("name", name),
            ("folder", folder),
            ("kind", Summary(config)),
            ("base model", config.BaseModelNameOrPath is { Length: > 0 } named ? named + (config.Revision is { } revision ? $" ({revision})" : "") : "not said"),
            ("task", config.TaskType?.ToString() ?? "not said"),
        };
        if (config.TargetModules is { } targets)
            rows.Add(("target modules", Text(targets)));
        if (config.ModulesToSave is { Count: > 0 } saved)
            rows.Add(("trained whole", string.Join(", ", saved)));
        var sections = new List<InfoSection> { new("adapter", rows) };
        var json = new JsonObject { ["kind"] = "adapter", ["name"] = name, ["folder"] = folder, ["peft_type"] = config.PeftType.ToString(), ["base_model"] = config.BaseModelNameOrPath, ["config"] = fields };
        if (AdapterFiles.Any(file => File.Exists(Path.Combine(folder, file))))
        {
            using var checkpoint = Checkpoint.OpenFirst(folder, AdapterFiles);
            var (section, weights) = WeightFiles.Describe(checkpoint);
            var parameters = checkpoint.Entries.Values.Sum(entry => entry.Shape.Aggregate(1L, (product, size) => product * size));
            rows.Insert(3, ("parameters", $"{Quantity.Count(parameters)} ({parameters.ToString("N0", CultureInfo.InvariantCulture)})"));
            sections.Add(section);
            json["parameters"] = parameters;
            json["weights"] = weights;
        }

        return new InfoReport(sections, json);
    }

    /// <summary>Describes a weight file, or a folder that has weights and no configuration.</summary>
    public static InfoReport DescribeWeights(string name, string path)
    {
        using var checkpoint = Checkpoint.Open(path);
        var (section, weights) = WeightFiles.Describe(checkpoint);
        return new InfoReport(
            [new InfoSection("file", [("name", name), ("path", checkpoint.Path), ("holds", checkpoint.Describe())]), section],
            new JsonObject { ["kind"] = "weights", ["name"] = name, ["path"] = checkpoint.Path, ["holds"] = checkpoint.Kind.ToString(), ["weights"] = weights });
    }

    /// <summary>The adapters in folders of a folder, such as the checkpoints of a run.</summary>
    public static IEnumerable<(string Name, string Summary)> Find(string folder) => Directory.EnumerateFiles(
            folder, PeftConfig.FileName, new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 2, IgnoreInaccessible = true })
        .Select(file => Path.GetDirectoryName(file)!)
        .Where(found => found != folder)
        .Order(StringComparer.Ordinal)
        .Take(MostFound)
        .Select(found => (Path.GetRelativePath(folder, found), TrySummary(found)));

    private static string TrySummary(string folder)
    {
        try
        {
            return Summary(PeftConfig.FromPretrained(folder));
        }
        catch (PeftException error)
        {
            return error.Message; // one that is damaged is named with the others
        }
    }

    private static string Summary(PeftConfig config) => config switch
    {
        LoraConfig lora => string.Create(CultureInfo.InvariantCulture, $"LoRA, rank {lora.R}, alpha {lora.LoraAlpha}{(lora.UseDora ? ", DoRA" : "")}{(lora.UseRslora ? ", rank-stabilized" : "")}"),
        PromptLearningConfig prompt => string.Create(CultureInfo.InvariantCulture, $"{prompt.PeftType}, {prompt.NumVirtualTokens} virtual tokens"),
        _ => config.PeftType.ToString(),
    };

    private static string Text(TargetModules targets) => targets.IsAllLinear ? "all-linear" : targets.Pattern ?? string.Join(", ", targets.Names);
}
