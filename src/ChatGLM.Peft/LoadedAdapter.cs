using ChatGLM.Models;

namespace ChatGLM.Peft;

/// <summary>What <see cref="PeftModelExtensions.LoadAdapter"/> has put on a model. The adapter stands inside the model: go on using the model, or <see cref="PeftModel"/> for what peft has more.</summary>
public sealed class LoadedAdapter
{
    private readonly PreTrainedModel _model;

    internal LoadedAdapter(PreTrainedModel model, string path, PeftModel peft, string adapterName)
    {
        (_model, Path, PeftModel) = (model, path, peft);
        Config = peft.PeftConfigs[adapterName];
    }

    internal LoadedAdapter(PreTrainedModel model, string path, PrefixReport prefix) => (_model, Path, Prefix) = (model, path, prefix);

    /// <summary>What was loaded.</summary>
    public string Path { get; }

    /// <summary>Whether it is a P-Tuning v2 prefix, as THUDM's script saves it, and not an adapter of peft.</summary>
    public bool IsPTuningV2 => Prefix is not null;

    /// <summary>The kind of a peft adapter; null for a P-Tuning v2 prefix.</summary>
    public PeftType? PeftType => Config?.PeftType;

    /// <summary>The configuration of a peft adapter; null for a P-Tuning v2 prefix.</summary>
    public PeftConfig? Config { get; }

    /// <summary>The model with its peft adapters; null for a P-Tuning v2 prefix, which is a part of the model itself.</summary>
    public PeftModel? PeftModel { get; }

    /// <summary>What was found of a P-Tuning v2 prefix; null for a peft adapter.</summary>
    public PrefixReport? Prefix { get; }

    /// <summary>Takes it off again: the model is the plain one. Other adapters that were added to <see cref="PeftModel"/> since go too.</summary>
    /// <returns>The model.</returns>
    public PreTrainedModel Unload()
    {
        if (PeftModel is not null)
            return PeftModel.Unload();
        _model.RemovePrefix();
        return _model;
    }

    /// <summary>One line for a log.</summary>
    public override string ToString() => Prefix is { } prefix
        ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"P-Tuning v2 prefix of {prefix.PreSeqLen}{(prefix.PrefixProjection ? " with projection" : "")} from {Path}")
        : $"{PeftType} adapter from {Path}";
}
