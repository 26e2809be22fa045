using System.Diagnostics.CodeAnalysis;

namespace ChatGLM.Tensors;

/// <summary>
/// A part of a model (<c>torch.nn.Module</c>): names its parameters and the modules inside it as the state dict does. Children stand in slots that can be refilled, which is
/// how an adapter wraps a layer.
/// </summary>
public abstract partial class Module : IDisposable
{
    private readonly List<(string Name, IModuleSlot Slot)> _children = [];

    /// <summary>Whether dropout is active; set with <see cref="Train"/>. False after loading, as <c>from_pretrained</c> leaves it.</summary>
    public bool Training { get; private set; }

    /// <summary>The modules directly inside this one, by name, in order.</summary>
    public IEnumerable<(string Name, Module Module)> Children => _children.Select(child => (child.Name, child.Slot.Module));

    /// <summary>The parameters of this module itself, by name, in order.</summary>
    public virtual IEnumerable<(string Name, Tensor Parameter)> OwnParameters => [];

    /// <summary>Every parameter of this module and those inside it under its state-dict name. A tensor that two modules share is named once, where it comes first.</summary>
    public IEnumerable<(string Name, Tensor Parameter)> NamedParameters()
    {
        var seen = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        foreach (var (path, module) in NamedModules())
        {
            foreach (var (name, parameter) in module.OwnParameters)
            {
                if (seen.Add(parameter))
                    yield return (Join(path, name), parameter);
            }
        }
    }

    /// <summary>This module under the name "", and every module inside it under its path, parents first.</summary>
    public IEnumerable<(string Name, Module Module)> NamedModules() => Walk("", this);

    /// <summary>Every parameter under its state-dict name, shared tensors under each of their names.</summary>
    public Dictionary<string, Tensor> StateDict()
    {
        var state = new Dictionary<string, Tensor>();
        foreach (var (path, module) in NamedModules())
        {
            foreach (var (name, parameter) in module.OwnParameters)
                state.Add(Join(path, name), parameter);
        }

        return state;
    }

    /// <summary>Copies values into the parameters of the same names, converting the element type where it differs. Nothing is changed if anything does not fit.</summary>
    /// <param name="state">Values by state-dict name.</param>
    /// <param name="strict">Whether a missing or an unexpected name is an error; a wrong shape always is.</param>
    /// <returns>The parameters that were given no value, and the names that are no parameter.</returns>
    /// <exception cref="StateDictException">A name is missing or unexpected and <paramref name="strict"/> is set, or a shape or kind of number is wrong.</exception>
    public (IReadOnlyList<string> Missing, IReadOnlyList<string> Unexpected) LoadStateDict(IReadOnlyDictionary<string, Tensor> state, bool strict = true)
    {
        var own = StateDict();
        var missing = own.Keys.Where(name => !state.ContainsKey(name)).ToList();
        var unexpected = state.Keys.Where(name => !own.ContainsKey(name)).ToList();
        var wrong = own.Where(p => state.TryGetValue(p.Key, out var given) && !Fits(given, p.Value))
            .Select(p => $"{p.Key}: expected {p.Value.DType.TorchName()} {p.Value.Shape}, found {state[p.Key].DType.TorchName()} {state[p.Key].Shape}").ToList();
        if (wrong.Count > 0 || (strict && missing.Count + unexpected.Count > 0))
            throw new StateDictException(missing, unexpected, wrong);
        using var scope = new TensorScope();
        foreach (var (name, parameter) in own)
        {
            if (state.TryGetValue(name, out var given))
                parameter.Backend.WriteSlice(parameter, given.DType == parameter.DType ? given : given.Backend.Cast(given, parameter.DType), 0, 0);
        }

        return (missing, unexpected);
    }

    /// <summary>Switches dropout on or off, here and inside.</summary>
    public void Train(bool training = true)
    {
        foreach (var (_, module) in NamedModules())
            module.Training = training;
    }

    /// <summary>Switches dropout off, here and inside.</summary>
    public void Eval() => Train(false);

    /// <summary>Sets whether the parameters here and inside are trained; a frozen base is <c>RequiresGrad(false)</c>. What cannot be trained, such as a quantized weight, is left alone.</summary>
    public void RequiresGrad(bool requiresGrad)
    {
        foreach (var (_, module) in NamedModules())
        {
            foreach (var (_, parameter) in module.OwnParameters)
            {
                if (module.CanTrain(parameter))
                    parameter.RequiresGrad = requiresGrad;
            }
        }
    }

    /// <summary>Forgets the gradients of all parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var (_, parameter) in NamedParameters())
            parameter.ZeroGrad();
    }

    /// <summary>Finds a module by its path, such as <c>transformer.layers.0.attention</c>.</summary>
    public bool TryGetModule(string path, [NotNullWhen(true)] out Module? module)
    {
        module = NamedModules().FirstOrDefault(m => m.Name == path).Module;
        return module is not null;
    }

    /// <summary>Puts another module into the slot at a path; it takes the name, the mode and the place of the old one, which is not disposed (a wrapper keeps it).</summary>
    /// <exception cref="ArgumentException">There is no slot at the path, or it cannot hold such a module.</exception>
    public void ReplaceModule(string path, Module replacement)
    {
        var dot = path.LastIndexOf('.');
        if (!TryGetModule(dot < 0 ? "" : path[..dot], out var parent) || parent._children.Find(c => c.Name == path[(dot + 1)..]).Slot is not { } slot)
            throw new ArgumentException($"There is no module '{path}' in {GetType().Name}.", nameof(path));
        var training = slot.Module.Training;
        slot.Module = replacement;
        replacement.Train(training);
    }

    /// <summary>Gives the memory of all parameters here and inside back.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives the memory of all parameters here and inside back; a module that owns more overrides it.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        foreach (var (_, parameter) in NamedParameters().ToList())
        {
            parameter.ZeroGrad();
            parameter.Dispose();
        }

        foreach (var (_, child) in Children)
            child.Dispose();
    }

    /// <summary>Whether a parameter of this module itself can be trained: floating-point numbers can, unless they are part of a quantized weight.</summary>
    protected virtual bool CanTrain(Tensor parameter) => parameter.DType.IsFloatingPoint();

    /// <summary>Names a module inside this one.</summary>
    protected ModuleSlot<T> Child<T>(string name, T module)
        where T : Module
    {
        var slot = new ModuleSlot<T>(module);
        _children.Add((name, slot));
        return slot;
    }

    /// <summary>Takes a module out, which is not disposed.</summary>
    /// <returns>Whether there was one of this name.</returns>
    protected bool RemoveChild(string name) => _children.RemoveAll(child => child.Name == name) > 0;

    /// <summary>One floating-point type is converted to another; the integers of a quantized weight are nothing that a conversion could make.</summary>
    private static bool Fits(Tensor given, Tensor parameter) => given.Shape == parameter.Shape && given.DType.IsFloatingPoint() == parameter.DType.IsFloatingPoint();

    private static IEnumerable<(string Name, Module Module)> Walk(string path, Module module)
    {
        yield return (path, module);
        foreach (var (name, child) in module.Children)
        {
            foreach (var inside in Walk(Join(path, name), child))
                yield return inside;
        }
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : name.Length == 0 ? path : $"{path}.{name}";
}
