using System.Globalization;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>Finds the modules of a model that a configuration means, by peft's rules.</summary>
internal static class TargetFinder
{
    private static readonly string[] DefaultTargets = ["query_key_value"];

    /// <summary>The modules that can take an adapter at all, in order, those with adapters already among them.</summary>
    public static IEnumerable<(string Path, Module Module)> Layers(Module model) => model.NamedModules().Where(m => m.Module is Linear or Embedding);

    /// <summary>The paths of the targets in the order of the model; at least one.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="config">What is meant.</param>
    /// <param name="layers">The indices of layers to keep to, or null.</param>
    /// <param name="layersPattern">The names before those indices, or null for any.</param>
    /// <param name="defaults">The names that are meant if none is given; null for the attention's projections.</param>
    /// <exception cref="TargetModulesException">There is none, or one that takes no adapter.</exception>
    public static IReadOnlyList<string> Find(Module model, PeftConfig config, IReadOnlyList<int>? layers, IReadOnlyList<string>? layersPattern, IEnumerable<string>? defaults = null)
    {
        var targets = config.TargetModules ?? new TargetModules(defaults ?? DefaultTargets);
        var found = targets.IsAllLinear
            ? [.. Layers(model).Where(m => m.Module is Linear && !IsOutputLayer(model, m.Path)).Select(m => m.Path)]
            : Matching(model, config, targets, layers, layersPattern);
        if (found.Count == 0)
            throw new TargetModulesException(NothingFound(model, targets, layers));
        return found;
    }

    /// <summary>As <see cref="Find"/>, for a kind of adapter that goes on linear layers only.</summary>
    public static IReadOnlyList<string> FindLinear(Module model, PeftConfig config, IReadOnlyList<int>? layers = null, IReadOnlyList<string>? layersPattern = null, IEnumerable<string>? defaults = null)
    {
        var found = Find(model, config, layers, layersPattern, defaults);
        if (found.FirstOrDefault(path => model.TryGetModule(path, out var module) && module is not Linear) is { } embedding)
            throw new TargetModulesException($"'{embedding}' is an embedding, and {PeftMethod.Of(config).Name} works on linear layers only. Take it out of target_modules.");
        return found;
    }

    /// <summary>The targets as they are kept and saved: what was given, or the names of what was found where nothing or <c>"all-linear"</c> was.</summary>
    public static TargetModules Complete(Module model, PeftConfig config, IReadOnlyList<string> found) =>
        config.TargetModules is null or { IsAllLinear: true } ? NamesOf(model, found) : config.TargetModules;

    /// <summary>The names that <c>"all-linear"</c> stood for, as peft writes them into the file: the ends of the paths, or the whole list of paths where ends say too much.</summary>
    public static TargetModules NamesOf(Module model, IReadOnlyList<string> paths)
    {
        var ends = paths.Select(LastName).Distinct().ToList();
        var meant = Layers(model).Where(m => ends.Contains(LastName(m.Path))).Select(m => m.Path);
        return new TargetModules(meant.SequenceEqual(paths) ? ends : paths);
    }

    public static string LastName(string path) => path[(path.LastIndexOf('.') + 1)..];

    /// <summary>Names that a user may have meant, the likeliest first.</summary>
    public static IEnumerable<string> NearNames(Module model, string wanted) => Layers(model)
        .Select(m => LastName(m.Path))
        .Distinct()
        .OrderBy(name => Distance(LastName(wanted), name))
        .Take(8);

    private static List<string> Matching(Module model, PeftConfig config, TargetModules targets, IReadOnlyList<int>? layers, IReadOnlyList<string>? layersPattern)
    {
        var pattern = targets.Pattern is { } text ? new ModulePattern(text, config.Origin, "target_modules", text) : null;
        var indexPatterns = (layersPattern is { Count: > 0 } ? layersPattern : ["[^.]*"])
            .Select(name => new ModulePattern($@".*\.(?:{name})\.([0-9]+)\..*", config.Origin, "layers_pattern", name)).ToArray();
        var found = new List<string>();
        foreach (var (path, module) in model.NamedModules())
        {
            if (path.Length == 0 || !(pattern?.Matches(path) ?? Names(targets, path)))
                continue;
            if (pattern is null && layers is { Count: > 0 } && !Array.Exists(indexPatterns, p => IsOneOf(layers, p, path)))
                continue;
            if (module is not (Linear or Embedding))
            {
                throw new TargetModulesException(
                    $"'{path}', which {targets} matches, is a {module.GetType().Name}: adapters go on linear layers and embeddings. Name those inside it, such as {PeftException.List(NearNames(model, path))}.");
            }

            found.Add(path);
        }

        return found;
    }

    private static bool Names(TargetModules targets, string path) =>
        targets.Names.Any(name => path == name || (path.Length > name.Length && path[^(name.Length + 1)] == '.' && path.EndsWith(name, StringComparison.Ordinal)));

    private static bool IsOneOf(IReadOnlyList<int> layers, ModulePattern pattern, string path) =>
        pattern.Match(path) is { Success: true } match && int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && layers.Contains(index);

    /// <summary>peft leaves out what the model calls its output embeddings. ChatGLM-6B's class says which that is, lm_head; ChatGLM2's does not, and its output_layer gets an adapter.</summary>
    private static bool IsOutputLayer(Module model, string path) => path == "lm_head" || (model is ChatGLMForSequenceClassification && path == "classifier_head");

    private static string NothingFound(Module model, TargetModules targets, IReadOnlyList<int>? layers)
    {
        var wanted = targets.Names.Count > 0 ? targets.Names[0] : targets.Pattern ?? "";
        var where = layers is { Count: > 0 } ? $" in the layers {PeftException.List(layers.Select(n => n.ToString(CultureInfo.InvariantCulture)))}" : "";
        return $"No module of the model matches {targets}{where}. Modules that can take an adapter: {PeftException.List(NearNames(model, wanted))}. "
            + "(An adapter made for another kind of model names other modules.)";
    }

    /// <summary>The edit distance (Levenshtein 1966).</summary>
    private static int Distance(string a, string b)
    {
        if (a.Length > 100)
            return int.MaxValue;
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
