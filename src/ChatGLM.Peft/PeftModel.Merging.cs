using ChatGLM.Models;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <content>Merging adapters into the weights.</content>
public partial class PeftModel
{
    /// <summary>Puts adapters into the weights, so that the model runs as fast as the plain one; <see cref="UnmergeAdapter"/> gives back the very bits of before. Costs a copy of each
    /// weight that changes. Adapters that are merged already are unmerged first.</summary>
    /// <param name="adapterNames">Which ones; the active ones if none is named.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    /// <exception cref="AdapterMergeException">A weight is quantized, or the result would not be finite. Nothing was changed.</exception>
    public void MergeAdapter(params IReadOnlyList<string> adapterNames)
    {
        ArgumentNullException.ThrowIfNull(adapterNames);
        var names = adapterNames.Count > 0 ? adapterNames : _active;
        foreach (var name in names)
            Config(name);
        if (names.FirstOrDefault(name => _prompts.Find(name) is not null) is { } prompt)
            throw new AdapterMergeException($"'{prompt}' ({Config(prompt).PeftType}) puts virtual tokens before the text, which no weight can hold. Keep the adapter, or merge the others by name. Nothing was changed.");
        UnmergeAdapter();
        var layers = _layers.Where(l => l.Layer.Adapters.Any(names.Contains)).ToList();
        foreach (var (path, layer) in layers)
        {
            if (layer.ProblemWithMerging() is { } problem)
                throw new AdapterMergeException($"'{path}' cannot take an adapter into its weight: {problem} Nothing was changed.");
        }

        try
        {
            using var ahead = new ReadAhead([.. layers.Select(l => ((Module)l.Layer).OwnParameters.First(p => p.Name == "weight").Parameter)]);
            foreach (var (path, layer) in layers)
            {
                layer.Merge(names, path);
                ahead.Next();
            }
        }
        catch
        {
            layers.ForEach(l => l.Layer.Unmerge());
            throw;
        }

        _merged = [.. names];
    }

    /// <summary>Takes merged adapters out of the weights again.</summary>
    public void UnmergeAdapter()
    {
        _layers.ForEach(l => l.Layer.Unmerge());
        _merged = [];
    }

    /// <summary>Merges adapters for good and takes all adapters away: what is left is the plain base model with changed weights, to run or to save. This object is not used after.</summary>
    /// <param name="adapterNames">Which ones; the active ones if none is named.</param>
    /// <returns>The base model.</returns>
    /// <exception cref="AdapterMergeException">A weight is quantized or shared with another layer, or the result would not be finite. Nothing was changed.</exception>
    public PreTrainedModel MergeAndUnload(params IReadOnlyList<string> adapterNames)
    {
        ArgumentNullException.ThrowIfNull(adapterNames);
        var names = adapterNames.Count > 0 ? adapterNames : _active;
        RequireOwnWeights(names);
        if (_saved.Conflict(names) is { } path)
            throw new AdapterMergeException($"The adapters {PeftException.List(names)} have each trained their own '{path}' (modules_to_save): only one of them can stay. Nothing was changed.");
        MergeAdapter(names);
        _saved.Activate(names);
        return TakeAllAway();
    }

    /// <summary>Takes all adapters away without merging. Only trained biases stay. This object is not used after.</summary>
    /// <returns>The base model.</returns>
    public PreTrainedModel Unload()
    {
        UnmergeAdapter();
        _saved.Activate([]);
        return TakeAllAway();
    }

    private PreTrainedModel TakeAllAway()
    {
        foreach (var (path, layer) in _layers.ToList())
        {
            RemoveLayer(path, layer);
            foreach (var name in layer.Adapters.ToList())
                layer.Delete(name);
        }

        // What stands in the model stays there, even where an original kept aside shared it, as a tied output layer does.
        var inModel = BaseModel.NamedParameters().Select(p => p.Parameter).ToHashSet<Tensor>(ReferenceEqualityComparer.Instance);
        foreach (var tensor in _saved.Aside.Where(tensor => !inModel.Contains(tensor)).ToList())
            tensor.Dispose();
        _saved.Clear();
        _prompts.Clear();
        _adapters.Clear();
        foreach (var name in _tuners.Keys.ToList())
            ReleaseTuner(name);
        _active = _merged = [];
        BaseModel.RequiresGrad(false);
        return BaseModel;
    }

    private void RequireOwnWeights(IReadOnlyList<string> adapters)
    {
        var users = BaseModel.NamedModules().SelectMany(m => m.Module.OwnParameters.Select(p => (m.Name, p.Parameter)))
            .ToLookup(p => p.Parameter, p => p.Name, ReferenceEqualityComparer.Instance);
        var changing = _layers.Where(l => l.Layer.Adapters.Any(adapters.Contains)).SelectMany(l => ((Module)l.Layer).OwnParameters.Select(p => p.Parameter).Concat(l.Layer.Aside).Select(parameter => (l.Path, Parameter: parameter)))
            .Concat(adapters.SelectMany(_saved.Replaced));
        foreach (var (path, parameter) in changing)
        {
            if (users[parameter].FirstOrDefault(name => name != path) is { } other)
            {
                throw new AdapterMergeException(
                    $"'{path}' shares its weight with '{other}', so it cannot be changed for good in one of them alone: a snapshot has room for one. Use MergeAdapter to run merged, or keep the adapter. Nothing was changed.");
            }
        }
    }
}
