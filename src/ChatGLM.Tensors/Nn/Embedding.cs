namespace ChatGLM.Tensors;

/// <summary>Rows of a table by their index (<c>torch.nn.Embedding</c>).</summary>
public class Embedding : Module
{
    /// <summary>Takes <c>weight</c> [count, width] from a place in the state dict.</summary>
    public Embedding(WeightScope scope, int count, int width)
        : this(scope.Get("weight", [count, width], (generator, values) => generator.Normal(values)))
    {
    }

    /// <summary>Wraps a table that exists.</summary>
    public Embedding(Tensor weight) => Weight = weight;

    /// <summary>The table, [count, width].</summary>
    public Tensor Weight { get; }

    /// <inheritdoc/>
    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => [("weight", Weight)];

    /// <summary>ids [...] int64 to [..., width].</summary>
    public virtual Tensor Forward(Tensor ids) => Functional.Embedding(ids, Weight);
}
