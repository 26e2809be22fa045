using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>
/// Reads the prefix of a P-Tuning v2 checkpoint: its length and whether it is projected follow from the tensors. The checkpoint holds <c>transformer.prefix_encoder.*</c> alone, or a whole
/// model with it, as the first versions of THUDM's script saved it.
/// </summary>
internal static class PrefixCheckpoint
{
    private const int LongestPrefix = 1 << 16;
    private static readonly string[] Roots = ["transformer.prefix_encoder", "prefix_encoder"];
    private static readonly string[] Projection = ["trans.0.weight", "trans.0.bias", "trans.2.weight", "trans.2.bias"];

    /// <param name="checkpoint">The weights.</param>
    /// <param name="model">The model that the prefix is for.</param>
    /// <param name="embeddingWidth">The width of its table with projection.</param>
    /// <returns>The encoder in float32, which nobody else owns, and what was found.</returns>
    /// <exception cref="PrefixCheckpointException">It is none, or none for this model.</exception>
    /// <exception cref="ConfigException">The config.json beside it is damaged.</exception>
    public static (PrefixEncoder Encoder, PrefixReport Report) Read(Checkpoint checkpoint, PreTrainedModel model, int embeddingWidth)
    {
        var names = checkpoint.Entries.Keys.ToList();
        var root = Array.Find(Roots, r => names.Exists(name => name.StartsWith(r + ".", StringComparison.Ordinal)))
            ?? throw new PrefixCheckpointException(checkpoint.Path, $"there is no P-Tuning v2 prefix ({Roots[0]}.*) in it. {checkpoint.Describe()}", names);
        var parts = names.Where(name => name.StartsWith(root + ".", StringComparison.Ordinal)).Select(name => name[(root.Length + 1)..]).ToList();
        var config = ConfigOf(checkpoint, model.Config, root, parts, names);
        RequireAgreement(checkpoint, config, names);
        if (names.Count > parts.Count)
            RequireSameBase(checkpoint, model, names);
        return (Create(checkpoint, model, root, config, embeddingWidth, names), new PrefixReport
        {
            File = checkpoint.Path,
            PreSeqLen = config.PreSeqLen!.Value,
            PrefixProjection = config.PrefixProjection,
            IsWholeModel = names.Count > parts.Count,
        });
    }

    private static ChatGLMConfig ConfigOf(Checkpoint checkpoint, ChatGLMConfig config, string root, List<string> parts, List<string> names)
    {
        if (parts.FirstOrDefault(part => part != "embedding.weight" && !Projection.Contains(part)) is { } unknown)
            throw new PrefixCheckpointException(checkpoint.Path, $"'{root}.{unknown}' is no part of a prefix encoder.", names);
        if (!checkpoint.Entries.TryGetValue($"{root}.embedding.weight", out var table))
            throw new PrefixCheckpointException(checkpoint.Path, $"'{root}.embedding.weight' is missing.", names);
        if (table.Shape.Count != 2 || table.Shape[0] is < 1 or > LongestPrefix)
            throw new PrefixCheckpointException(checkpoint.Path, $"'{table.Name}' is [{string.Join(", ", table.Shape)}], expected [pre_seq_len, width] with pre_seq_len from 1 to {LongestPrefix}.", names);
        return config with { PreSeqLen = (int)table.Shape[0], PrefixProjection = parts.Exists(Projection.Contains) };
    }

    /// <summary>The config.json that the script saves beside the weights must mean the same prefix and the same model.</summary>
    private static void RequireAgreement(Checkpoint checkpoint, ChatGLMConfig config, List<string> names)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(checkpoint.Path))!;
        var file = Path.Combine(folder, "config.json");
        if (!File.Exists(file))
            return;
        var saved = AutoConfig.FromFolder(folder);
        if (saved.PreSeqLen is { } length && (length, saved.PrefixProjection) != (config.PreSeqLen, config.PrefixProjection))
        {
            throw new PrefixCheckpointException(checkpoint.Path, $"'{file}' says pre_seq_len {length}, prefix_projection {Lower(saved.PrefixProjection)}; the tensors are a prefix of {config.PreSeqLen} "
                + $"{(config.PrefixProjection ? "with" : "without")} a projection. The two do not belong together.", names);
        }

        var (theirs, ours) = (Sizes(saved), Sizes(config));
        if (theirs != ours)
            throw new PrefixCheckpointException(checkpoint.Path, $"the prefix is for another model: '{file}' describes {theirs}, this model is {ours}.", names);
    }

    private static string Sizes(ChatGLMConfig config) =>
        $"a {(config is ChatGLM6BConfig ? "ChatGLM-6B" : "ChatGLM2 or ChatGLM3")} of {config.NumLayers} layers, hidden size {config.HiddenSize} and {config.KeyValueHeads} key-value heads of {config.HeadDim}";

    private static string Lower(bool value) => value ? "true" : "false";

    /// <summary>A whole model that was trained whole is more than its prefix: taking the prefix alone would give another model without a word.</summary>
    private static void RequireSameBase(Checkpoint checkpoint, PreTrainedModel model, List<string> names)
    {
        using var scope = new TensorScope();
        foreach (var (name, parameter) in model.NamedParameters())
        {
            // Norms and biases: every training changes them, they are never quantized, and they are small.
            if (parameter.Shape.Rank != 1 || !checkpoint.Entries.TryGetValue(name, out var entry) || !entry.DType.IsFloatingPoint() || !parameter.DType.IsFloatingPoint())
                continue;
            if (entry.Shape.Count != 1 || entry.Shape[0] != parameter.Shape[0])
                throw new PrefixCheckpointException(checkpoint.Path, $"it holds a whole model whose '{name}' is [{string.Join(", ", entry.Shape)}], this model's is {parameter.Shape}: it is another model.", names);
            var (theirs, ours) = (checkpoint.Read(name).ToFloatArray(), parameter.ToFloatArray());
            // Between two types there is one rounding, of eight bits at least.
            var tolerance = entry.DType == parameter.DType ? 0 : 1f / (1 << 7);
            for (var i = 0; i < ours.Length; i++)
            {
                if (theirs[i] != ours[i] && !(Math.Abs(theirs[i] - ours[i]) <= tolerance * Math.Abs(theirs[i])))
                    throw new PrefixCheckpointException(checkpoint.Path, $"it holds a whole model whose '{name}' is not this model's: more than the prefix was trained. Load it itself with AutoModel.FromPretrained.", names);
            }
        }
    }

    private static PrefixEncoder Create(Checkpoint checkpoint, PreTrainedModel model, string root, ChatGLMConfig config, int embeddingWidth, List<string> names)
    {
        // Trained from here on, perhaps: float32, whatever the script's half precision was.
        var weights = new CheckpointWeights(checkpoint, new ModelOptions { Dtype = DType.Float32, Backend = model.Backend }, model.Generator, quantizer: null, _ => false);
        try
        {
            var scope = root.Split('.').Aggregate(new WeightScope(weights), (place, name) => place[name]);
            var encoder = new PrefixEncoder(scope, config, embeddingWidth, model.Generator);
            if (weights.Missing.Count > 0)
                throw new PrefixCheckpointException(checkpoint.Path, $"the projection of the prefix is not complete: {string.Join(", ", weights.Missing)} missing.", names);
            if (weights.Misshaped.Count > 0)
            {
                throw new PrefixCheckpointException(checkpoint.Path, "the prefix is for another model: " + string.Join("; ", weights.Misshaped.Select(m => $"'{m.Name}' is {m.Found}, this model needs {m.Expected}")) + ".", names);
            }

            return encoder;
        }
        catch
        {
            weights.DisposeAll();
            throw;
        }
    }
}
