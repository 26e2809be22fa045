using System.Numerics.Tensors;

namespace ChatGLM.Tensors;

/// <summary>Adagrad (Duchi and others 2011; <c>torch.optim.Adagrad</c>): every number's steps shrink with the sum of its squared gradients.</summary>
public sealed class Adagrad : Optimizer
{
    private static readonly string[] Names = ["sum"];

    private readonly AdagradOptions _options;

    /// <summary>Trains parameters as one group.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="options">The numbers; PyTorch's defaults if null.</param>
    public Adagrad(IEnumerable<Tensor> parameters, AdagradOptions? options = null)
        : this([new ParameterGroup(parameters, (options ??= new()).LearningRate, options.WeightDecay)], options)
    {
    }

    /// <summary>Trains groups of parameters, each with its own learning rate and weight decay; those of the options are not used.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="options">The other numbers; PyTorch's defaults if null.</param>
    public Adagrad(IEnumerable<ParameterGroup> groups, AdagradOptions? options = null)
        : base(groups)
    {
        _options = options ?? new();
        if (_options is not { LearningRateDecay: >= 0, Epsilon: >= 0 })
            throw new ArgumentOutOfRangeException(nameof(options), options, "The decay of the learning rate and epsilon are not negative.");
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, object?> Defaults => new Dictionary<string, object?>
    {
        ["lr_decay"] = _options.LearningRateDecay,
        ["initial_accumulator_value"] = 0.0,
        ["eps"] = _options.Epsilon,
        ["foreach"] = null,
        ["maximize"] = false,
    };

    private protected override ReadOnlySpan<string> StateNames => Names;

    private protected override void Step(ParameterGroup group, int index, Tensor parameter, Tensor gradient, long step, float gradientScale)
    {
        var size = group.LearningRate / (1 + ((step - 1) * _options.LearningRateDecay));
        ChunkedStep.Run(new Chunk((float)size, (float)_options.Epsilon, (float)group.WeightDecay), parameter, gradient, gradientScale, StateOrZeros(index, 0));
    }

    private readonly record struct Chunk(float StepSize, float Epsilon, float WeightDecay) : IChunkStep
    {
        public void Apply(Span<float> parameter, Span<float> gradient, Span<float> first, Span<float> second, Span<float> third)
        {
            if (WeightDecay != 0)
                TensorPrimitives.MultiplyAdd(parameter, WeightDecay, gradient, gradient);
            for (var i = 0; i < parameter.Length; i++)
            {
                first[i] += gradient[i] * gradient[i];
                parameter[i] -= StepSize * (gradient[i] / (MathF.Sqrt(first[i]) + Epsilon));
            }
        }
    }
}
