using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>What a new snapshot will hold and what each of its tensors is made of, known before the first byte is read.</summary>
internal sealed class WeightPlan : IDisposable
{
    private readonly PreTrainedModel _model;

    private WeightPlan(PreTrainedModel model, PlannedWeights weights, IReadOnlyList<string> leftOut)
    {
        _model = model;
        LeftOut = leftOut;
        Tensors = [.. model.NamedParameters().Select(p => KeyValuePair.Create(p.Name, p.Parameter))];
        Names = new Dictionary<Tensor, string>(Tensors.Select(t => KeyValuePair.Create(t.Value, t.Key)), ReferenceEqualityComparer.Instance);
        Config = model.SavedConfig();
        // In the order of the files, which disks like best. A recipe of several results stands here once.
        Recipes = [.. Tensors.Select(t => weights.RecipeFor(t.Value)).Distinct().OrderBy(r => r.Entry.File, StringComparer.Ordinal).ThenBy(r => r.Entry.Position)];
    }

    /// <summary>The tensors under their names, in the order in which they fill the shards. They hold no memory.</summary>
    public IReadOnlyList<KeyValuePair<string, Tensor>> Tensors { get; }

    /// <summary>The names of the tensors.</summary>
    public IReadOnlyDictionary<Tensor, string> Names { get; }

    /// <summary>How they are made.</summary>
    public IReadOnlyList<TensorRecipe> Recipes { get; }

    /// <summary>The configuration that goes with them.</summary>
    public ChatGLMConfig Config { get; }

    /// <summary>Tensors of the source that have no place in the model.</summary>
    public IReadOnlyList<string> LeftOut { get; }

    /// <summary>Plans a snapshot.</summary>
    /// <param name="folder">The source, for messages.</param>
    /// <param name="checkpoint">Its weights.</param>
    /// <param name="config">The configuration of the new snapshot.</param>
    /// <param name="dtype">The type of dense weights; null for the one they have.</param>
    /// <param name="backend">What will compute.</param>
    /// <exception cref="MissingWeightsException">The checkpoint lacks parameters.</exception>
    /// <exception cref="WeightShapeException">It holds tensors of other shapes.</exception>
    public static WeightPlan Make(string folder, Checkpoint checkpoint, ChatGLMConfig config, DType? dtype, Backend backend)
    {
        var generator = new TorchGenerator(0);
        var weights = new PlannedWeights(checkpoint, new ModelOptions { Dtype = dtype, Backend = backend }, WeightQuantizer.For(config));
        var scope = new WeightScope(weights);
        PreTrainedModel model = config.Architectures.Contains("ChatGLMForSequenceClassification")
            ? AutoModelForSequenceClassification.Create(scope, config, generator)
            : AutoModel.Create(scope, config, generator);
        try
        {
            var report = ModelLoader.Report(folder, checkpoint, weights, model, 0);
            ModelLoader.RequireFit(report, checkpoint);
            return new WeightPlan(model, weights, [.. report.Unexpected.Concat(report.Ignored)]);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public void Dispose() => _model.Dispose();
}
