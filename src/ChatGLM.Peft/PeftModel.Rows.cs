using ChatGLM.Batching;
using ChatGLM.Models;
using ChatGLM.Peft.Rows;
using ChatGLM.Tensors;

namespace ChatGLM.Peft;

/// <content>Different adapters for different rows of one batch (<c>adapter_names</c>).</content>
public partial class PeftModel
{
    /// <summary>The name that stands for no adapter where one is named for each row.</summary>
    public const string BaseAdapterName = "__base__";

    private readonly RowRouting _rows = new();

    /// <summary>
    /// Scores every position, each row through an adapter of its own, whichever are active: many fine-tuned models served by one base. The base's part is computed once for the whole batch.
    /// Nothing is recorded for a backward pass.
    /// </summary>
    /// <param name="inputs">Ids, and optionally masks, positions, labels and a cache.</param>
    /// <param name="adapterNames">An adapter for each row, or <see cref="BaseAdapterName"/> for the base alone.</param>
    /// <inheritdoc cref="UseAdapters" path="/exception"/>
    public ModelOutput Forward(ModelInputs inputs, IReadOnlyList<string> adapterNames)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var rows = UseAdaptersFor(inputs.InputIds.Shape[0], adapterNames);
        using var noGrad = GradMode.NoGrad();
        return Forward(inputs);
    }

    /// <summary>
    /// Sends each row through an adapter of its own until the result is disposed, in all that this thread, or this asynchronous flow, calls: forward passes, generation, chat. Other threads are not
    /// affected, so that several calls can go through different adapters at once. For answers only: nothing is recorded for a backward pass.
    /// </summary>
    /// <param name="adapterNames">An adapter for each row of a batch, or <see cref="BaseAdapterName"/> for the base alone. One name is for all rows, as for a chat.</param>
    /// <exception cref="AdapterNameException">There is no such adapter.</exception>
    /// <exception cref="AdapterRowsException">The number of names is not that of the rows; adapters are merged, or the model is in training; or an adapter changes more than its rows can tell apart:
    /// it uses DoRA, has trained biases or saved modules, or its first values were taken out of the base's weights.</exception>
    public AdapterRowsScope UseAdapters(params IReadOnlyList<string> adapterNames)
    {
        ArgumentNullException.ThrowIfNull(adapterNames);
        if (adapterNames.Count == 0)
            throw new AdapterRowsException($"No adapter was named. Name one for each row ('{BaseAdapterName}' for a row without).");
        if (BaseModel.Training)
            throw new AdapterRowsException("Rows go through adapters of their own in evaluation only, and the model is in training. Call Eval, or train one adapter at a time.");
        if (_merged.Count > 0)
            throw new AdapterRowsException($"The adapters {PeftException.List(_merged)} are merged into the weights, which all rows share. Call UnmergeAdapter first.");
        foreach (var name in adapterNames.Distinct().Where(name => name != BaseAdapterName))
            RequireRows(name, Config(name));
        if (_active.FirstOrDefault(name => Config(name) is PromptLearningConfig) is { } prompt)
            throw new AdapterRowsException($"The active adapter '{prompt}' puts virtual tokens before every row. Make another one active first.");
        // What an active adapter has put into the model in place of the base's own module is there for every row.
        if (_active.FirstOrDefault(name => Config(name).ModulesToSave is { Count: > 0 }) is { } active)
            throw new AdapterRowsException($"The active adapter '{active}' has modules_to_save in the model, which would stand there for every row. Make another one active first.");
        return new AdapterRowsScope(_rows, new RowAdapters([.. adapterNames.Select(name => name == BaseAdapterName ? null : name)]));
    }

    /// <summary>As <see cref="UseAdapters"/>, for a batch of known size.</summary>
    private protected AdapterRowsScope UseAdaptersFor(int rows, IReadOnlyList<string> adapterNames)
    {
        ArgumentNullException.ThrowIfNull(adapterNames);
        return adapterNames.Count == rows
            ? UseAdapters(adapterNames)
            : throw new AdapterRowsException($"{adapterNames.Count} adapters were named for {rows} rows; expected one for each ('{BaseAdapterName}' for a row without).");
    }

    /// <summary>
    /// The adapters for a <see cref="BatchingEngine"/> over the base model: <see cref="BatchingOptions.Adapters"/>. Rows of one batch go through different adapters where these can be chosen for single rows
    /// (see <see cref="UseAdapters"/>); another adapter has its requests to itself, in passes of their own. Adapters are added and deleted inside <see cref="BatchingEngine.RunAsync"/> only.
    /// </summary>
    /// <param name="nameOf">Finds the adapter that a request's word for it means; null where they are the same.</param>
    public BatchAdapters ForBatches(Func<string, string>? nameOf = null) => new PeftBatchAdapters(this, nameOf ?? (name => name));

    /// <summary>Whether an adapter can be chosen for single rows.</summary>
    internal bool CanChooseRows(string name) => _adapters.Any(a => a.Name == name) && RowProblem(name, Config(name)) is null;

    private void RequireRows(string name, PeftConfig config)
    {
        if (config is not LoraConfig)
            throw new AdapterRowsException($"'{name}' is a {config.PeftType} adapter; only LoRA adapters can be chosen for each row.");
        if (RowProblem(name, config) is { } problem)
            throw new AdapterRowsException($"'{name}' cannot be chosen for single rows: it {problem}.");
    }

    private string? RowProblem(string name, PeftConfig config) => config switch
    {
        not LoraConfig => "is no LoRA adapter",
        LoraConfig { UseDora: true } => "uses DoRA, which changes what the base's own weight gives",
        LoraConfig { ModulesToSave.Count: > 0 } => "has modules_to_save, which stand in the model for every row",
        LoraConfig { Bias: not LoraBias.None } => "has trained biases of the base, which all rows share",
        LoraConfig { ChangesBase: true } => "had its first values taken out of the base's weights; save it with SavePretrainedAsLora and load that instead",
        _ => _layers.FirstOrDefault(l => l.Path.Contains("prefix_encoder", StringComparison.Ordinal) && l.Layer.Adapters.Contains(name)).Path is { } path
            ? $"is on '{path}', which works for all rows at once"
            : null,
    };
}
