namespace ChatGLM.Tensors;

/// <summary>Adam with weight decay in the gradient (Kingma and Ba 2015; <c>torch.optim.Adam</c>). <see cref="AdamW"/> decays weights by themselves and is what is usually wanted.</summary>
public sealed class Adam : Optimizer
{
    private static readonly string[] Names = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];

    private readonly AdamOptions _options;

    /// <summary>Trains parameters as one group.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="options">The numbers; PyTorch's defaults if null.</param>
    public Adam(IEnumerable<Tensor> parameters, AdamOptions? options = null)
        : this([new ParameterGroup(parameters, (options ??= new()).LearningRate, options.WeightDecay)], options)
    {
    }

    /// <summary>Trains groups of parameters, each with its own learning rate and weight decay; those of the options are not used.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="options">The other numbers; PyTorch's defaults if null.</param>
    public Adam(IEnumerable<ParameterGroup> groups, AdamOptions? options = null)
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
        ["amsgrad"] = _options.AmsGrad,
        ["foreach"] = null,
        ["maximize"] = false,
        ["capturable"] = false,
    };

    private protected override ReadOnlySpan<string> StateNames => Names;

    private protected override bool IsOptional(int index, int slot) => slot == 2 && !_options.AmsGrad;

    private protected override void Step(ParameterGroup group, int index, Tensor parameter, Tensor gradient, long step, float gradientScale) => ChunkedStep.Run(
        AdamChunk.Torch(group.LearningRate, _options.Beta1, _options.Beta2, _options.Epsilon, step) with { GradientDecay = (float)group.WeightDecay },
        parameter,
        gradient,
        gradientScale,
        StateOrZeros(index, 0),
        StateOrZeros(index, 1),
        _options.AmsGrad ? StateOrZeros(index, 2) : null);
}
