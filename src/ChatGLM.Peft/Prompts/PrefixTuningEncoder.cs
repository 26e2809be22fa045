using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Prompts;

/// <summary>The keys and values of prefix tuning (<c>peft.PrefixEncoder</c>): a table, or a table and a two-layer network that makes them from it.</summary>
internal sealed class PrefixTuningEncoder : KeyValuePrompt, IPromptEncoder
{
    private readonly ModuleSlot<Embedding> _embedding;
    private readonly ModuleSlot<Perceptron>? _transform;

    /// <param name="scope">Where the parameters come from.</param>
    /// <param name="config">A completed configuration.</param>
    public PrefixTuningEncoder(WeightScope scope, PrefixTuningConfig config)
        : base(config.NumVirtualTokens)
    {
        var (width, all) = (config.TokenDim!.Value, checked(2 * config.NumLayers!.Value * config.TokenDim.Value));
        var isProjected = config.PrefixProjection && !config.InferenceMode;
        _embedding = Child("embedding", new Embedding(scope["embedding"], Length, isProjected ? width : all));
        if (isProjected)
            _transform = Child("transform", new Perceptron(scope["transform"], [width, config.EncoderHiddenSize!.Value, all], Functional.Tanh));
    }

    public Tensor? Stored => _transform is null ? _embedding.Value.Weight : null;

    /// <inheritdoc/>
    public override Tensor Forward(int batch)
    {
        var rows = Rows();
        return rows.Reshape(1, rows.Shape[0], rows.Shape[1]);
    }

    public Tensor Compute()
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        return scope.Keep(Rows());
    }

    private Tensor Rows() => _transform is null ? _embedding.Value.Weight : _transform.Value.Forward(_embedding.Value.Weight);
}
