using System.Text.Json;
using ChatGLM.Peft.Tuners;

namespace ChatGLM.Peft;

/// <summary>What kind of adapter to put on a model, and how (<c>peft.PeftConfig</c>). Each kind has a record of its own, such as <see cref="LoraConfig"/>.</summary>
public abstract partial record PeftConfig
{
    private protected PeftConfig()
    {
    }

    /// <summary>The kind of adapter.</summary>
    public abstract PeftType PeftType { get; }

    /// <summary>What the model is for.</summary>
    public TaskType? TaskType { get; init; }

    /// <summary>Whether the adapter is only used, not trained: its parameters need no gradient.</summary>
    public bool InferenceMode { get; init; }

    /// <summary>The base model that the adapter is for, as it was loaded; filled in when the adapter is put on a model.</summary>
    public string? BaseModelNameOrPath { get; init; }

    /// <summary>The revision of the base model.</summary>
    public string? Revision { get; init; }

    /// <summary>The modules that get the adapter; null for the default of these models.</summary>
    public TargetModules? TargetModules { get; init; }

    /// <summary>Modules to train as a whole and to save with the adapter: those whose path ends like one of these names.</summary>
    public IReadOnlyList<string>? ModulesToSave { get; init; }

    /// <summary>The biases of the base that are trained with the adapter.</summary>
    internal virtual TrainedBiases TrainedBiases => TrainedBiases.None;

    /// <summary>Where the configuration was read from, for messages.</summary>
    internal string Origin { get; init; } = FileName;

    /// <summary>The fields of the file that it was read from; those that are not known here are written back.</summary>
    internal IReadOnlyList<KeyValuePair<string, JsonElement>> Original { get; init; } = [];

    /// <summary>Whether it changes modules of the base: whether a file has <c>target_modules</c> and <c>modules_to_save</c>.</summary>
    private protected virtual bool HasModules => true;

    /// <summary>Refuses values that no adapter can have.</summary>
    /// <exception cref="AdapterConfigException">A value is out of its range.</exception>
    internal abstract void Validate();

    /// <summary>The fields with their values as JSON text, those that every version of peft writes first.</summary>
    private protected abstract IEnumerable<ConfigField> Fields();

    private protected AdapterConfigException Wrong(string field, string problem) => new(Origin, field, problem);

    /// <summary>A field as it is written.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Json">Its value.</param>
    /// <param name="When">When it is written.</param>
    private protected readonly record struct ConfigField(string Name, string Json, Written When = Written.Always);

    /// <summary>When a field is written: a configuration that an older peft wrote, and that is written again, gains no field that it does not need.</summary>
    private protected enum Written
    {
        /// <summary>In every file.</summary>
        Always,

        /// <summary>In a new file, and where the field was read.</summary>
        UnlessAbsent,

        /// <summary>In a new file; where the field was read, its value is kept as it was.</summary>
        WhenNew,
    }
}
