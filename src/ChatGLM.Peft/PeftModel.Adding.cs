using ChatGLM.Models;
using ChatGLM.Peft.Files;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <content>How an adapter gets into the model: everything is made and checked beside the model, then put in; a failure takes it out again.</content>
public partial class PeftModel
{
    private void Add(string adapterName, PeftConfig config, AdapterWeights? weights)
    {
        ArgumentNullException.ThrowIfNull(config);
        RequireNewName(adapterName);
        config.Validate();
        if (config is PromptLearningConfig prompt)
        {
            AddPrompt(adapterName, prompt, weights);
            return;
        }

        if (_adapters.Find(a => a.Config is not PromptLearningConfig && a.Config.PeftType != config.PeftType).Config is { } other)
            throw new AdapterConfigException(config.Origin, "peft_type", $"is {PeftMethod.Of(config).Name}, and the model has {PeftMethod.Of(other).Name} adapters: those inside the layers of one model are all of one kind. Unload them first, or load the base a second time.");
        if (_adapters.Count > 0 && (config.TrainedBiases != TrainedBiases.None || _adapters.Exists(a => a.Config.TrainedBiases != TrainedBiases.None)))
            throw new AdapterConfigException(config.Origin, "bias", "trains the biases of the base model itself, so an adapter that does must be the only one. Set bias to none in all of them.");
        UnmergeAdapter();
        var tuner = PeftMethod.Of(config).CreateTuner!();
        var targets = tuner.FindTargets(BaseModel, config);
        if (targets.FirstOrDefault(_saved.Holds) is { } held)
            throw new TargetModulesException($"'{held}' is in the modules_to_save of another adapter, so it cannot be a target of this one.");
        config = Complete(tuner.Complete(BaseModel, config, targets));
        var random = BaseModel.Generator.GetState();
        var staged = new List<(string Path, IAdapter Adapter)>();
        IReadOnlyList<(string Path, Module Copy)> saved = [];
        var wrapped = new List<(string Path, Module Before)>();
        try
        {
            var modules = BaseModel.NamedModules().ToDictionary(m => m.Name, m => m.Module, StringComparer.Ordinal);
            foreach (var path in targets)
                staged.Add((path, tuner.Create(path, modules[path], config, BaseModel.Generator)));
            saved = _saved.Stage(config.ModulesToSave, targets);
            var writes = weights?.Match(Places(staged, saved).Concat(tuner.Shared), Biases(config, targets).Select(b => (Prefix + b.Name, b.Bias)));
            foreach (var (path, adapter) in staged)
            {
                if (modules[path] is not ITunerLayer layer)
                {
                    var wrapper = tuner.Wrap(modules[path], BaseModel);
                    BaseModel.ReplaceModule(path, wrapper);
                    wrapped.Add((path, modules[path]));
                    layer = (ITunerLayer)wrapper;
                    layer.Enable(!IsDisabled);
                }

                layer.Add(adapterName, adapter);
            }

            // Last, because biases are the base's own: from here on nothing can fail but the machine.
            writes?.Apply();
        }
        catch
        {
            TakeOut(adapterName, staged, saved, wrapped);
            tuner.Release();
            BaseModel.Generator.SetState(random);
            throw;
        }

        _saved.Add(adapterName, saved);
        _adapters.Add((adapterName, config));
        _tuners.Add(adapterName, tuner);
        _layers = [.. BaseModel.NamedModules().Where(m => m.Module is ITunerLayer).Select(m => (m.Name, (ITunerLayer)m.Module))];
        Activate(_active);
    }

    private static void TakeOut(string adapterName, List<(string Path, IAdapter Adapter)> staged, IReadOnlyList<(string Path, Module Copy)> saved, List<(string Path, Module Before)> wrapped, PreTrainedModel model)
    {
        foreach (var (path, before) in wrapped)
            model.ReplaceModule(path, before);
        foreach (var (_, layer) in model.NamedModules().Where(m => m.Module is ITunerLayer))
            ((ITunerLayer)layer).Delete(adapterName);
        foreach (var parameter in staged.SelectMany(s => s.Adapter.Parameters))
            parameter.Tensor.Dispose();
        foreach (var (_, copy) in saved)
            copy.Dispose();
    }

    private void TakeOut(string adapterName, List<(string Path, IAdapter Adapter)> staged, IReadOnlyList<(string Path, Module Copy)> saved, List<(string Path, Module Before)> wrapped) =>
        TakeOut(adapterName, staged, saved, wrapped, BaseModel);

    private PeftConfig Complete(PeftConfig config)
    {
        // peft saves a classifier's head without being asked; it was drawn at random, so an adapter without it would be worth nothing.
        const string Head = "classifier_head";
        if (BaseModel is ChatGLMForSequenceClassification && config.TaskType == TaskType.SequenceClassification && config.ModulesToSave?.Contains(Head) != true)
            config = config with { ModulesToSave = [.. config.ModulesToSave ?? [], Head] };
        return config with { BaseModelNameOrPath = config.BaseModelNameOrPath ?? BaseModel.LoadReport?.Folder ?? (BaseModel.Config.NameOrPath is { Length: > 0 } name ? name : null) };
    }

    private void RequireNewName(string adapterName)
    {
        ArgumentNullException.ThrowIfNull(adapterName);
        if (_adapters.Exists(a => a.Name == adapterName))
            throw new AdapterNameException(adapterName, "is there already. Take another name, or delete it first.");
        // The name is a part of parameter names and the name of a folder.
        if (adapterName.Length is 0 or > 100 || adapterName.AsSpan().ContainsAny("./\\:*?\"<>|") || adapterName.Any(char.IsControl) || adapterName.Contains("lora_", StringComparison.Ordinal))
            throw new AdapterNameException(adapterName, "has a name that cannot be one: 1 to 100 characters without points, slashes and the like, and without 'lora_', were expected.");
    }

    /// <summary>The biases of the base that are trained with an adapter, under their names in the base.</summary>
    private IEnumerable<(string Name, Tensor Bias)> Biases(PeftConfig config, IEnumerable<string> targets)
    {
        if (config.TrainedBiases == TrainedBiases.None)
            return [];
        var layers = config.TrainedBiases == TrainedBiases.OfTargets ? targets.ToHashSet(StringComparer.Ordinal) : null;
        return BaseModel.NamedModules().Where(m => layers?.Contains(m.Name) ?? true)
            .SelectMany(m => m.Module.OwnParameters.Where(p => p.Name == "bias").Select(p => ($"{m.Name}.bias", p.Parameter)));
    }

    private static IEnumerable<(string Key, Tensor Tensor)> Places(IEnumerable<(string Path, IAdapter Adapter)> layers, IEnumerable<(string Path, Module Copy)> saved) =>
        layers.SelectMany(l => l.Adapter.Parameters.Select(p => ($"{Prefix}{l.Path}.{p.FileKey}", p.Tensor)))
            .Concat(saved.SelectMany(s => SavedModules.Parameters(s.Path, s.Copy)).Select(p => (Prefix + p.Name, p.Tensor)));
}
