namespace ChatGLM.Tensors;

/// <summary>
/// The AdamW of transformers itself (<c>optim = "adamw_hf"</c>). Epsilon is added before the bias correction, and weights decay after the step; <see cref="AdamW"/> is PyTorch's, and the
/// default of newer versions.
/// </summary>
public sealed class TransformersAdamW : Optimizer
{
    private static readonly string[] Names = ["exp_avg", "exp_avg_sq"];

    private readonly TransformersAdamWOptions _options;

    /// <summary>Trains parameters as one group.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="options">The numbers; transformers' defaults if null.</param>
    public TransformersAdamW(IEnumerable<Tensor> parameters, TransformersAdamWOptions? options = null)
        : this([new ParameterGroup(parameters, (options ??= new()).LearningRate, options.WeightDecay)], options)
    {
    }

    /// <summary>Trains groups of parameters, each with its own learning rate and weight decay; those of the options are not used.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="options">The other numbers; transformers' defaults if null.</param>
    public TransformersAdamW(IEnumerable<ParameterGroup> groups, TransformersAdamWOptions? options = null)
        : base(groups)
    {
        _options = options ?? new();
        if (_options is not { Beta1: >= 0 and < 1, Beta2: >= 0 and < 1, Epsilon: >= 0 })
            throw new ArgumentOutOfRangeException(nameof(options), options, "Both betas are at least 0 and less than 1, epsilon is not negative.");
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, object?> Defaults => new Dictionary<string, object?>
    {
        ["betas"] = new object?[] { _options.Beta1, _options.Beta2 },
        ["eps"] = _options.Epsilon,
        ["correct_bias"] = _options.CorrectBias,
    };

    private protected override ReadOnlySpan<string> StateNames => Names;

    private protected override void Step(ParameterGroup group, int index, Tensor parameter, Tensor gradient, long step, float gradientScale)
    {
        var size = group.LearningRate;
        if (_options.CorrectBias)
            size *= Math.Sqrt(1 - Math.Pow(_options.Beta2, step)) / (1 - Math.Pow(_options.Beta1, step));
        var chunk = AdamChunk.Torch(group.LearningRate, _options.Beta1, _options.Beta2, _options.Epsilon, step) with
        {
            StepSize = (float)size,
            RootScale = 1,
            DecayAfter = (float)(1 - (group.LearningRate * group.WeightDecay)),
        };
        ChunkedStep.Run(chunk, parameter, gradient, gradientScale, StateOrZeros(index, 0), StateOrZeros(index, 1));
    }
}
