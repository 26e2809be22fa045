using System.Globalization;

namespace ChatGLM.Tensors;

/// <summary>
/// Changes parameters by their gradients (<c>torch.optim.Optimizer</c>). A parameter that no backward pass has reached is left alone. The state lies in native
/// memory of its own, which <see cref="Dispose"/> gives back.
/// </summary>
public abstract class Optimizer : IDisposable
{
    private readonly Tensor[] _parameters;
    private readonly long[] _steps;
    private readonly Tensor?[] _state;

    /// <summary>Checks the parameters.</summary>
    /// <param name="groups">At least one parameter in all.</param>
    /// <exception cref="TensorException">A parameter is named twice, is the result of an operation or holds integers.</exception>
    private protected Optimizer(IEnumerable<ParameterGroup> groups)
    {
        Groups = [.. groups];
        _parameters = [.. Groups.SelectMany(group => group.Parameters)];
        if (_parameters.Length == 0)
            throw new TensorException(Name, "expected at least one parameter, found none; is everything frozen?");
        var seen = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < _parameters.Length; i++)
        {
            var parameter = _parameters[i];
            Require.FloatingPoint(Name, $"parameter {i}", parameter);
            if (!seen.Add(parameter))
                throw new TensorException(Name, $"parameter {i} {parameter.Shape} is given twice.");
            if (parameter.Function is not null)
                throw new TensorException(Name, $"parameter {i} {parameter.Shape} is the result of an operation; only tensors that operations start from can be trained.");
        }

        _steps = new long[_parameters.Length];
        _state = new Tensor?[_parameters.Length * StateNames.Length];
    }

    /// <summary>The parameter groups; set their learning rates between steps.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; }

    /// <summary>The numbers besides learning rate and weight decay, under the names that PyTorch gives them in a group (<c>optimizer.defaults</c>): what a saved state that Python goes
    /// on from has to hold. Arrays stand for tuples.</summary>
    public abstract IReadOnlyDictionary<string, object?> Defaults { get; }

    /// <summary>The names of the tensors that are kept for each parameter, as PyTorch has them.</summary>
    private protected abstract ReadOnlySpan<string> StateNames { get; }

    private string Name => GetType().Name;

    /// <summary>Changes every parameter that has a gradient.</summary>
    /// <param name="gradientScale">Multiplies every gradient first: what <see cref="GradientClipping.Coefficient"/> gives, without a pass over memory of its own.</param>
    public void Step(double gradientScale = 1)
    {
        using var noGrad = GradMode.NoGrad();
        var index = 0;
        foreach (var group in Groups)
        {
            foreach (var parameter in group.Parameters)
            {
                if (parameter.Grad is { } gradient)
                {
                    using var scope = new TensorScope();
                    Step(group, index, parameter, gradient, ++_steps[index], (float)gradientScale);
                }

                index++;
            }
        }
    }

    /// <summary>Forgets the gradients of all parameters and gives their memory back.</summary>
    public void ZeroGrad()
    {
        foreach (var parameter in _parameters)
            parameter.ZeroGrad();
    }

    /// <summary>
    /// What has to be saved to go on later, as plain tensors under PyTorch's names: <c>state.0.exp_avg</c> and the like for parameter 0, <c>state.0.step</c>, and
    /// <c>param_groups.0.lr</c>, <c>param_groups.0.weight_decay</c> (float64). Parameters count through all groups in order. The large ones are the optimizer's own memory: save
    /// them before the next step.
    /// </summary>
    public Dictionary<string, Tensor> StateDict()
    {
        var state = new Dictionary<string, Tensor>();
        for (var index = 0; index < _parameters.Length; index++)
        {
            if (_steps[index] == 0)
                continue;
            var backend = _parameters[index].Backend;
            state.Add(Key(index, "step"), Tensor.From([_steps[index]], Shape.Scalar, backend));
            for (var slot = 0; slot < StateNames.Length; slot++)
            {
                if (State(index, slot) is { } tensor)
                    state.Add(Key(index, StateNames[slot]), tensor.Detach());
            }
        }

        for (var group = 0; group < Groups.Count; group++)
        {
            state.Add(GroupKey(group, "lr"), Tensor.From([Groups[group].LearningRate], Shape.Scalar, _parameters[0].Backend));
            state.Add(GroupKey(group, "weight_decay"), Tensor.From([Groups[group].WeightDecay], Shape.Scalar, _parameters[0].Backend));
        }

        return state;
    }

    /// <summary>Goes on from a saved state. Nothing is changed if anything does not fit.</summary>
    /// <param name="state">What <see cref="StateDict"/> gave.</param>
    /// <exception cref="OptimizerStateException">An entry is missing, unknown or of the wrong shape or type.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        using var scope = new TensorScope();
        var unknown = new HashSet<string>(state.Keys);
        var steps = new long[_parameters.Length];
        var values = new Tensor?[_state.Length];
        for (var index = 0; index < _parameters.Length; index++)
        {
            if (!state.TryGetValue(Key(index, "step"), out var step))
                continue;
            unknown.Remove(Key(index, "step"));
            if (step.ElementCount != 1 || (steps[index] = step.Backend.Cast(step, DType.Int64).ToArray<long>()[0]) < 1)
                throw new OptimizerStateException(Name, $"'{Key(index, "step")}': expected one positive number, found {step}.");
            for (var slot = 0; slot < StateNames.Length; slot++)
            {
                var key = Key(index, StateNames[slot]);
                unknown.Remove(key);
                if (!state.TryGetValue(key, out var value))
                {
                    if (!IsOptional(index, slot))
                        throw new OptimizerStateException(Name, $"'{key}' is missing. Was the state saved by another kind of optimizer?");
                    continue;
                }

                var isFloat = StateDType(index, slot) == DType.Float32;
                if (value.Shape != StateShape(index, slot) || (isFloat ? !value.DType.IsFloatingPoint() : value.DType != StateDType(index, slot)))
                {
                    throw new OptimizerStateException(
                        Name, $"'{key}': expected {(isFloat ? "floating-point numbers" : StateDType(index, slot))} {StateShape(index, slot)}, found {value.DType} {value.Shape}. The parameters have to be given in the order in which they were trained.");
                }

                values[(index * StateNames.Length) + slot] = value;
            }
        }

        var hyperparameters = new (double LearningRate, double WeightDecay)[Groups.Count];
        for (var group = 0; group < Groups.Count; group++)
            hyperparameters[group] = (TakeNumber(state, unknown, GroupKey(group, "lr")), TakeNumber(state, unknown, GroupKey(group, "weight_decay")));
        if (unknown.Count > 0)
            throw new OptimizerStateException(Name, $"'{unknown.Order(StringComparer.Ordinal).First()}' ({unknown.Count} such) belongs to no parameter: there are {_parameters.Length} in {Groups.Count} groups.");

        for (var group = 0; group < Groups.Count; group++)
            (Groups[group].LearningRate, Groups[group].WeightDecay) = hyperparameters[group];
        steps.CopyTo(_steps, 0);
        for (var i = 0; i < values.Length; i++)
        {
            var copy = values[i] is { } value ? CopyOf(value, StateDType(i / StateNames.Length, i % StateNames.Length), _parameters[i / StateNames.Length].Backend) : null;
            _state[i]?.Dispose();
            _state[i] = copy;
        }
    }

    /// <summary>Gives the memory of the state back. The parameters and their gradients stay.</summary>
    public void Dispose()
    {
        foreach (var tensor in _state)
            tensor?.Dispose();
        Array.Clear(_state);
        Array.Clear(_steps);
        GC.SuppressFinalize(this);
    }

    /// <summary>Changes one parameter.</summary>
    /// <param name="group">Its group.</param>
    /// <param name="index">Its position among all.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="gradient">Its gradient, float32; not to be changed.</param>
    /// <param name="step">How often it has been changed, this time included.</param>
    /// <param name="gradientScale">A factor of the gradient.</param>
    private protected abstract void Step(ParameterGroup group, int index, Tensor parameter, Tensor gradient, long step, float gradientScale);

    /// <summary>Whether a state tensor may be absent for a parameter that has been changed.</summary>
    private protected virtual bool IsOptional(int index, int slot) => false;

    /// <summary>The shape of a state tensor; the parameter's own unless an optimizer keeps less.</summary>
    private protected virtual Shape StateShape(int index, int slot) => _parameters[index].Shape;

    /// <summary>The element type of a state tensor: float32, or uint8 where an optimizer packs it.</summary>
    private protected virtual DType StateDType(int index, int slot) => DType.Float32;

    /// <summary>The shape of a parameter.</summary>
    private protected Shape ParameterShape(int index) => _parameters[index].Shape;

    /// <summary>A tensor that is kept for a parameter, if there is one yet.</summary>
    private protected Tensor? State(int index, int slot) => _state[(index * StateNames.Length) + slot];

    /// <summary>A tensor that is kept for a parameter: zeros at first.</summary>
    private protected Tensor StateOrZeros(int index, int slot)
    {
        ref var state = ref _state[(index * StateNames.Length) + slot];
        if (state is null)
        {
            using (TensorScope.Suspend())
                state = Tensor.Zeros(StateShape(index, slot), StateDType(index, slot), _parameters[index].Backend);
        }

        return state;
    }

    /// <summary>Keeps a copy of a tensor for a parameter.</summary>
    private protected Tensor SetState(int index, int slot, Tensor value)
    {
        using (TensorScope.Suspend())
            return _state[(index * StateNames.Length) + slot] = value.Backend.Copy(value);
    }

    private static string Key(int index, string name) => string.Create(CultureInfo.InvariantCulture, $"state.{index}.{name}");

    private static string GroupKey(int group, string name) => string.Create(CultureInfo.InvariantCulture, $"param_groups.{group}.{name}");

    private static Tensor CopyOf(Tensor value, DType dtype, Backend backend)
    {
        using (TensorScope.Suspend())
        {
            if (ReferenceEquals(value.Backend, backend))
                return value.DType == dtype ? backend.Copy(value) : backend.Cast(value, dtype);
            return dtype == DType.UInt8 ? Tensor.From(value.ToArray<byte>(), value.Shape, backend) : Tensor.From(value.ToFloatArray(), value.Shape, backend);
        }
    }

    private double TakeNumber(IReadOnlyDictionary<string, Tensor> state, HashSet<string> unknown, string key)
    {
        unknown.Remove(key);
        if (!state.TryGetValue(key, out var value))
            throw new OptimizerStateException(Name, $"'{key}' is missing. Was the state saved with another number of parameter groups?");
        if (value.ElementCount != 1 || !value.DType.IsFloatingPoint())
            throw new OptimizerStateException(Name, $"'{key}': expected one floating-point number, found {value}.");
        return value.Backend.Cast(value, DType.Float64).ToArray<double>()[0];
    }
}
