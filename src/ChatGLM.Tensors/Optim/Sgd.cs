namespace ChatGLM.Tensors;

/// <summary>Stochastic gradient descent, with momentum and Nesterov's form of it if wanted (<c>torch.optim.SGD</c>).</summary>
public sealed class Sgd : Optimizer
{
    private static readonly string[] Names = ["momentum_buffer"];

    private readonly SgdOptions _options;

    /// <summary>Trains parameters as one group.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="options">The numbers; PyTorch's defaults if null.</param>
    public Sgd(IEnumerable<Tensor> parameters, SgdOptions? options = null)
        : this([new ParameterGroup(parameters, (options ??= new()).LearningRate, options.WeightDecay)], options)
    {
    }

    /// <summary>Trains groups of parameters, each with its own learning rate and weight decay; those of the options are not used.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="options">The other numbers; PyTorch's defaults if null.</param>
    public Sgd(IEnumerable<ParameterGroup> groups, SgdOptions? options = null)
        : base(groups)
    {
        _options = options ?? new();
        if (_options.Momentum < 0)
            throw new ArgumentOutOfRangeException(nameof(options), options, "Momentum is not negative.");
        if (_options.Nesterov && (_options.Momentum == 0 || _options.Dampening != 0))
            throw new ArgumentOutOfRangeException(nameof(options), options, "Nesterov's form needs a momentum and no dampening.");
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, object?> Defaults => new Dictionary<string, object?>
    {
        ["momentum"] = _options.Momentum,
        ["dampening"] = _options.Dampening,
        ["nesterov"] = _options.Nesterov,
        ["maximize"] = false,
        ["foreach"] = null,
    };

    private protected override ReadOnlySpan<string> StateNames => Names;

    private protected override bool IsOptional(int index, int slot) => _options.Momentum == 0;

    private protected override void Step(ParameterGroup group, int index, Tensor parameter, Tensor gradient, long step, float gradientScale)
    {
        var backend = parameter.Backend;
        var isFloat32 = parameter.DType == DType.Float32;
        var value = isFloat32 ? parameter : backend.Cast(parameter, DType.Float32);
        var direction = gradientScale == 1 ? gradient : backend.Affine(gradient, gradientScale, 0);
        if (group.WeightDecay != 0)
            direction = backend.Add(direction, value, (float)group.WeightDecay);
        if (_options.Momentum != 0)
        {
            // The first running sum is the first gradient itself, undampened.
            if (State(index, 0) is { } sum)
            {
                backend.ScaleInPlace(sum, (float)_options.Momentum);
                backend.AddInPlace(sum, direction, (float)(1 - _options.Dampening));
            }
            else
            {
                sum = SetState(index, 0, direction);
            }

            direction = _options.Nesterov ? backend.Add(direction, sum, (float)_options.Momentum) : sum;
        }

        backend.AddInPlace(value, direction, (float)-group.LearningRate);
        if (!isFloat32)
        {
            Shape flat = [checked((int)parameter.ElementCount)];
            backend.WriteSlice(parameter.View(flat, 0), backend.Cast(value, parameter.DType).View(flat, 0), axis: 0, start: 0);
        }
    }
}
