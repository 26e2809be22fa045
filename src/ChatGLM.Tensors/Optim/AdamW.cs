namespace ChatGLM.Tensors;

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter 2019; <c>torch.optim.AdamW</c>). Its moments are float32 whatever the parameters are.</summary>
public sealed class AdamW : Optimizer
{
    private const int FirstMoment = 0;
    private const int SecondMoment = 1;
    private const int GreatestSecondMoment = 2;
    private static readonly string[] Names = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];

    private readonly AdamWOptions _options;

    /// <summary>Trains parameters as one group.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="options">The numbers; PyTorch's defaults if null.</param>
    public AdamW(IEnumerable<Tensor> parameters, AdamWOptions? options = null)
        : this([new ParameterGroup(parameters, (options ??= new()).LearningRate, options.WeightDecay)], options)
    {
    }

    /// <summary>Trains groups of parameters, each with its own learning rate and weight decay; those of the options are not used.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="options">The other numbers; PyTorch's defaults if null.</param>
    public AdamW(IEnumerable<ParameterGroup> groups, AdamWOptions? options = null)
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

    private protected override bool IsOptional(int index, int slot) => slot == GreatestSecondMoment && !_options.AmsGrad;

    private protected override void Step(ParameterGroup group, int index, Tensor parameter, Tensor gradient, long step, float gradientScale)
    {
        var (first, second) = (StateOrZeros(index, FirstMoment), StateOrZeros(index, SecondMoment));
        if (!_options.AmsGrad)
        {
            var numbers = new AdamWStep(group.LearningRate, _options.Beta1, _options.Beta2, _options.Epsilon, group.WeightDecay, step, gradientScale);
            parameter.Backend.AdamWStep(parameter, gradient, first, second, numbers);
            return;
        }

        var chunk = AdamChunk.Torch(group.LearningRate, _options.Beta1, _options.Beta2, _options.Epsilon, step) with
        {
            DecayBefore = (float)(1 - (group.LearningRate * group.WeightDecay)),
        };
        ChunkedStep.Run(chunk, parameter, gradient, gradientScale, first, second, StateOrZeros(index, GreatestSecondMoment));
    }
}
