using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lora;

/// <summary>
/// An adapter that stands on the rest of a weight, W - s B0 A0, as a plain one on the weight itself: W - s B0 A0 + s B A = W + s [B, -B0] [A; A0], of twice the rank.
/// </summary>
internal static class PlainLora
{
    /// <summary>The configuration of the plain adapter: rank and alpha twice, so that the scaling stays.</summary>
    public static LoraConfig Config(LoraConfig config)
    {
        if (config.InitLoraWeights == InitLoraWeights.Loftq || config.UseDora)
            throw new AdapterConfigException(config.Origin, "init_lora_weights", $"is {(config.UseDora ? "together with DoRA, which works on the changed base" : "loftq, whose rounding of the base is not of a low rank")}: there is no plain adapter that does the same.");
        if (config.UseRslora && config.RankPattern.Count + config.AlphaPattern.Count > 0)
            throw new AdapterConfigException(config.Origin, "use_rslora", "is set together with rank_pattern or alpha_pattern, which a plain adapter of twice the rank could not be told (peft refuses it too).");
        // With rslora the scaling is alpha over the root of the rank.
        var factor = config.UseRslora ? Math.Sqrt(2) : 2;
        return config with
        {
            R = 2 * config.R,
            LoraAlpha = factor * config.LoraAlpha,
            RankPattern = config.RankPattern.ToDictionary(p => p.Key, p => 2 * p.Value, StringComparer.Ordinal),
            AlphaPattern = config.AlphaPattern.ToDictionary(p => p.Key, p => 2 * p.Value, StringComparer.Ordinal),
            InitLoraWeights = InitLoraWeights.Default,
            PissaIterations = null,
        };
    }

    /// <summary>The parameters of the plain adapter, in the current scope.</summary>
    /// <param name="state">Those of the adapter, by key.</param>
    /// <param name="prefix">What stands before a path in a key.</param>
    /// <param name="layers">The model's layers with adapters.</param>
    /// <param name="name">The adapter.</param>
    public static Dictionary<string, Tensor> State(IReadOnlyDictionary<string, Tensor> state, string prefix, IEnumerable<(string Path, ITunerLayer Layer)> layers, string name)
    {
        var plain = state.ToDictionary(p => p.Key, p => p.Value, StringComparer.Ordinal);
        foreach (var (path, layer) in layers)
        {
            if (layer is LoraEmbedding embedding && embedding.Find(name) is { } table)
            {
                // Nothing was taken out of a table: it only goes along with the rank.
                plain[$"{prefix}{path}.lora_embedding_A"] = table.A.Backend.Concat([table.A, Tensor.Full(table.A.Shape, 0, DType.Float32, table.A.Backend)], 0);
                plain[$"{prefix}{path}.lora_embedding_B"] = table.A.Backend.Concat([table.B, Tensor.Full(table.B.Shape, 0, DType.Float32, table.A.Backend)], 1);
            }

            if (layer is not LoraLinear linear || linear.Find(name) is not { Initial: { } initial } adapter)
                continue;
            var backend = adapter.A.Backend;
            var (a, b) = (Tensor.From(initial.A, adapter.A.Shape, backend), Tensor.From(initial.B, adapter.B.Shape, backend));
            plain[$"{prefix}{path}.lora_A.weight"] = backend.Concat([adapter.A, a], 0);
            plain[$"{prefix}{path}.lora_B.weight"] = backend.Concat([adapter.B, backend.Affine(b, -1, 0)], 1);
        }

        return plain;
    }
}
