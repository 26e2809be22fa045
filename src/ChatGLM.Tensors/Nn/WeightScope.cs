namespace ChatGLM.Tensors;

/// <summary>
/// A place in a state dict, from which a module takes its parameters while it is built: <c>scope["attention"]["dense"].Get("weight", [out, in], ...)</c>. The code of a model so reads like
/// its checkpoint, and the same code builds it from a file or fresh.
/// </summary>
public sealed class WeightScope
{
    private readonly IWeightSource _source;

    /// <summary>The root of a state dict.</summary>
    public WeightScope(IWeightSource source)
        : this(source, "")
    {
    }

    private WeightScope(IWeightSource source, string path)
    {
        _source = source;
        Path = path;
    }

    /// <summary>The path so far, such as <c>transformer.layers.0</c>.</summary>
    public string Path { get; }

    /// <summary>The backend that the parameters lie on.</summary>
    public Backend Backend => _source.Backend;

    /// <summary>The place of a module inside this one.</summary>
    public WeightScope this[string name] => new(_source, Path.Length == 0 ? name : $"{Path}.{name}");

    /// <summary>The parameter of this name.</summary>
    /// <param name="name">The last part of the state-dict name, such as <c>weight</c>.</param>
    /// <param name="shape">The shape that the module needs.</param>
    /// <param name="initialize">Fills a fresh parameter, where the source has none of that name and makes fresh ones.</param>
    public Tensor Get(string name, in Shape shape, Initializer initialize)
    {
        using (TensorScope.Suspend())
            return _source.Get(Path.Length == 0 ? name : $"{Path}.{name}", shape, initialize);
    }

    /// <summary>The <c>weight</c> of a linear layer, [out, in], in the format that the source holds it in.</summary>
    /// <param name="outFeatures">The rows.</param>
    /// <param name="inFeatures">The columns.</param>
    /// <param name="initialize">Fills a fresh weight.</param>
    public LinearWeight GetLinear(int outFeatures, int inFeatures, Initializer initialize)
    {
        using (TensorScope.Suspend())
            return _source.GetLinear(Path.Length == 0 ? "weight" : $"{Path}.weight", outFeatures, inFeatures, initialize);
    }

    /// <summary>The <c>weight</c> of a linear layer that is tied to a table: the table itself, unless the source holds the layer in a format of its own or has been asked for one.</summary>
    /// <param name="table">The weight that the layer shares, [out, in].</param>
    public LinearWeight GetTiedLinear(LinearWeight table)
    {
        using (TensorScope.Suspend())
            return _source.GetTiedLinear(Path.Length == 0 ? "weight" : $"{Path}.weight", table);
    }

    /// <summary>Whether the source holds a parameter of this name.</summary>
    public bool Contains(string name) => _source.Contains(Path.Length == 0 ? name : $"{Path}.{name}");
}

/// <summary>Fills a fresh parameter with its first values.</summary>
/// <param name="generator">Where random values come from.</param>
/// <param name="values">The parameter in row-major order.</param>
public delegate void Initializer(TorchGenerator generator, Span<float> values);

/// <summary>Where the parameters of a model come from: a checkpoint, or a random generator.</summary>
public interface IWeightSource
{
    /// <summary>The backend that the parameters lie on.</summary>
    Backend Backend { get; }

    /// <summary>The parameter of a full state-dict name. A source over a checkpoint that lacks it, or has it in another shape, takes note and goes on, so that one report names all
    /// that is wrong.</summary>
    Tensor Get(string name, in Shape shape, Initializer initialize);

    /// <summary>The weight of a linear layer, [out, in]: dense, unless the source holds it in another format or has been asked for one.</summary>
    LinearWeight GetLinear(string name, int outFeatures, int inFeatures, Initializer initialize) => new DenseWeight(Get(name, [outFeatures, inFeatures], initialize));

    /// <summary>The weight of a linear layer that is tied to a table: the table, unless the source holds the layer in a format of its own or has been asked for one.</summary>
    LinearWeight GetTiedLinear(string name, LinearWeight table) => table;

    /// <summary>Whether the source holds a parameter of this name. Fresh sources hold everything.</summary>
    bool Contains(string name);
}
