using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>
/// Modules that are trained as a whole and saved with an adapter (<c>modules_to_save</c>). Each adapter has float32 copies of its own; those of the active adapter stand
/// in the model, the originals are kept aside.
/// </summary>
internal sealed class SavedModules(Module model)
{
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>The parameters that do not stand in the model now: originals, and copies of adapters that are not active.</summary>
    public IEnumerable<Tensor> Aside => _entries.Values
        .SelectMany(e => e.Copies.Values.Append(e.Original).Where(m => m != e.Current))
        .SelectMany(m => m.OwnParameters.Select(p => p.Parameter));

    public bool Holds(string path) => _entries.ContainsKey(path);

    /// <summary>Makes the copies for a new adapter, without putting them into the model.</summary>
    /// <exception cref="TargetModulesException">A name matches nothing, or a module that cannot be copied.</exception>
    public IReadOnlyList<(string Path, Module Copy)> Stage(IReadOnlyList<string>? names, IReadOnlyList<string> targets)
    {
        var staged = new List<(string, Module)>();
        foreach (var path in Find(names ?? []))
        {
            if (targets.Contains(path) || _entries.GetValueOrDefault(path)?.Current is ITunerLayer)
                throw new TargetModulesException($"'{path}' is in modules_to_save and is a target of an adapter too; it can be only one of the two.");
            staged.Add((path, Copy(path, _entries.GetValueOrDefault(path)?.Original ?? Get(path))));
        }

        return staged;
    }

    public void Add(string adapter, IReadOnlyList<(string Path, Module Copy)> staged)
    {
        foreach (var (path, copy) in staged)
        {
            if (!_entries.TryGetValue(path, out var entry))
                _entries.Add(path, entry = new Entry(Get(path)));
            entry.Copies.Add(adapter, copy);
        }
    }

    /// <summary>Puts the copies of the active adapters into the model, and originals where they have none.</summary>
    public void Activate(IReadOnlyList<string> adapters)
    {
        foreach (var (path, entry) in _entries)
        {
            var wanted = adapters.Where(entry.Copies.ContainsKey).Select(a => entry.Copies[a]).FirstOrDefault() ?? entry.Original;
            if (wanted == entry.Current)
                continue;
            model.ReplaceModule(path, wanted);
            entry.Current = wanted;
        }
    }

    /// <summary>A module that two of these adapters have trained, each in its own way; null if there is none.</summary>
    public string? Conflict(IReadOnlyList<string> adapters) => _entries.FirstOrDefault(e => adapters.Count(e.Value.Copies.ContainsKey) > 1).Key;

    /// <summary>The parameters of an adapter under their names in the base model.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> Parameters(string adapter) => _entries
        .Where(e => e.Value.Copies.ContainsKey(adapter))
        .SelectMany(e => Parameters(e.Key, e.Value.Copies[adapter]));

    public static IEnumerable<(string Name, Tensor Tensor)> Parameters(string path, Module copy) => copy.OwnParameters.Select(p => ($"{path}.{p.Name}", p.Parameter));

    /// <summary>The original parameters that an adapter's copies stand in for, with the paths of their modules.</summary>
    public IEnumerable<(string Path, Tensor Original)> Replaced(string adapter) => _entries
        .Where(e => e.Value.Copies.ContainsKey(adapter))
        .SelectMany(e => e.Value.Original.OwnParameters.Select(p => (e.Key, p.Parameter)));

    /// <summary>Forgets everything, and leaves in the model what stands there.</summary>
    public void Clear() => _entries.Clear();

    /// <summary>Forgets an adapter that is not active.</summary>
    public void Delete(string adapter)
    {
        foreach (var (path, entry) in _entries.ToList())
        {
            if (entry.Copies.Remove(adapter, out var copy))
                copy.Dispose();
            if (entry.Copies.Count == 0 && entry.Current == entry.Original)
                _entries.Remove(path);
        }
    }

    private IEnumerable<string> Find(IReadOnlyList<string> names)
    {
        var modules = model.NamedModules().Where(m => m.Name.Length > 0).ToList();
        var found = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var name in names)
        {
            // As in peft the name is the end of the path, not necessarily after a point.
            var matching = modules.Where(m => m.Name.EndsWith(name, StringComparison.Ordinal)).ToList();
            var inside = modules.Where(m => m.Module.OwnParameters.Any() && matching.Exists(o => m.Name == o.Name || m.Name.StartsWith(o.Name + ".", StringComparison.Ordinal))).ToList();
            if (name.Length == 0 || inside.Count == 0)
                throw new TargetModulesException($"modules_to_save names '{PeftException.Bound(name)}', and no module with parameters is called so. There are: {PeftException.List(modules.Select(m => TargetFinder.LastName(m.Name)).Distinct())}.");
            found.UnionWith(inside.Select(m => m.Name));
        }

        return modules.Select(m => m.Name).Where(found.Contains);
    }

    private Module Get(string path) => model.TryGetModule(path, out var module) ? module : throw new ArgumentException($"There is no module '{path}'.", nameof(path));

    private static Module Copy(string path, Module module)
    {
        using var outliving = TensorScope.Suspend();
        var scope = new WeightScope(new CopiedWeights(module));
        return module switch
        {
            LayerNorm norm => new LayerNorm(scope, norm.Weight.Shape[0], norm.Epsilon),
            RmsNorm norm => new RmsNorm(scope, norm.Weight.Shape[0], norm.Epsilon),
            Linear { Weight: DenseWeight } linear and not ITunerLayer => new Linear(scope, linear.InFeatures, linear.OutFeatures, linear.Bias is not null),
            Embedding embedding and not ITunerLayer => new Embedding(scope, embedding.Weight.Shape[0], embedding.Weight.Shape[1]),
            _ => throw new TargetModulesException($"modules_to_save includes '{path}', a {module.GetType().Name}; only norms, embeddings and linear layers that are neither quantized nor targets of an adapter can be trained as a whole."),
        };
    }

    private sealed class Entry(Module original)
    {
        public Module Original { get; } = original;

        public Module Current { get; set; } = original;

        public Dictionary<string, Module> Copies { get; } = new(StringComparer.Ordinal);
    }

    /// <summary>Float32 copies of a module's parameters: what is trained is not held in half precision, where small steps would be lost.</summary>
    private sealed class CopiedWeights(Module module) : IWeightSource
    {
        public Backend Backend { get; } = module.OwnParameters.First().Parameter.Backend;

        public Tensor Get(string name, in Shape shape, Initializer initialize)
        {
            var source = module.OwnParameters.First(p => p.Name == name).Parameter;
            return source.DType == DType.Float32 ? Backend.Copy(source) : Backend.Cast(source, DType.Float32);
        }

        public bool Contains(string name) => module.OwnParameters.Any(p => p.Name == name);
    }
}
