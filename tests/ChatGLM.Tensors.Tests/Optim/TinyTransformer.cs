namespace ChatGLM.Tensors.Tests.Optim;

/// <summary>A causal transformer of two layers written as the models are: each layer owns its intermediates with a scope, and nobody else disposes anything.</summary>
internal sealed class TinyTransformer(Dictionary<string, Tensor> parameters)
{
    private static readonly HeadLayout Layout = new(4, 2, 2, InterleavedPerHead: false);

    public IReadOnlyDictionary<string, Tensor> Parameters => parameters;

    public bool Checkpointed { get; init; }

    public float DropoutProbability { get; init; }

    public TorchGenerator Generator { get; } = new(1);

    /// <summary>Whether a parameter is in the group with weight decay: matrices are, norms and biases are not.</summary>
    public static bool IsDecayed(Tensor parameter) => parameter.Shape.Rank > 1;

    /// <summary>ids [batch, seq], labels [batch * seq].</summary>
    public Tensor Loss(Tensor ids, Tensor labels)
    {
        using var scope = new TensorScope();
        var logits = Logits(ids);
        return scope.Keep(Functional.CrossEntropy(logits.Reshape(-1, logits.Shape[^1]), labels));
    }

    /// <summary>[batch, seq] to [batch, seq, vocabulary].</summary>
    public Tensor Logits(Tensor ids)
    {
        using var scope = new TensorScope();
        var x = Functional.Embedding(ids, parameters["embedding.weight"]);
        for (var layer = 0; layer < 2; layer++)
        {
            var prefix = $"layers.{layer}.";
            x = Checkpointed ? GradientCheckpoint.Run(input => Layer(prefix, input), x, Generator) : Layer(prefix, x);
        }

        return scope.Keep(Functional.Linear(x, Weight("embedding.weight")));
    }

    private Tensor Layer(string prefix, Tensor x)
    {
        using var scope = new TensorScope();
        var normed = Functional.LayerNorm(x, parameters[prefix + "input_norm.weight"], parameters[prefix + "input_norm.bias"], 1e-5f);
        var qkv = Functional.Linear(normed, Weight(prefix + "query_key_value.weight"), parameters[prefix + "query_key_value.bias"]);
        var (query, key, value) = Functional.SplitHeads(qkv, null, Layout, null);
        var attended = Functional.Attention(query, key, value, new AttentionOptions(1 / MathF.Sqrt(Layout.HeadDim), x.Shape[1]) { Causal = true });
        x = Functional.Add(x, Dropout(Functional.Linear(attended, Weight(prefix + "dense.weight"))));
        var up = Functional.Linear(Functional.RmsNorm(x, parameters[prefix + "post_norm.weight"], 1e-5f), Weight(prefix + "up.weight"));
        return scope.Keep(Functional.Add(x, Dropout(Functional.Linear(Functional.SwiGlu(up), Weight(prefix + "down.weight"), parameters[prefix + "down.bias"]))));
    }

    private Tensor Dropout(Tensor x) => Functional.Dropout(x, DropoutProbability, Generator, training: true);

    private DenseWeight Weight(string name) => new(parameters[name]);
}
