namespace ChatGLM.Formats;

/// <summary>Judges by the names of its tensors what a checkpoint is, so that an error about missing keys can say it.</summary>
internal static class CheckpointDiagnosis
{
    private static readonly string[] OfOtherModels =
        ["model.layers.", "gpt_neox.", "transformer.h.", "h.0.", "bert.", "roberta.", "encoder.layer.", "decoder.block.", "encoder.block.", "visual.", "vision_model."];

    public static CheckpointKind Judge(IEnumerable<string> names)
    {
        bool any = false, first = false, second = false, other = false, onlyPrefix = true;
        foreach (var name in names)
        {
            any = true;
            if (name.Contains("lora_", StringComparison.Ordinal) || name.Contains(".ia3_l", StringComparison.Ordinal))
                return CheckpointKind.LoraAdapter;
            if (name is "prompt_embeddings" || name.EndsWith(".prompt_embeddings", StringComparison.Ordinal))
                return CheckpointKind.PromptEmbeddings;
            onlyPrefix &= name.StartsWith("transformer.prefix_encoder.", StringComparison.Ordinal) || name.StartsWith("prefix_encoder.", StringComparison.Ordinal);
            second |= name.Contains("transformer.encoder.layers.", StringComparison.Ordinal) || name.StartsWith("transformer.embedding.word_embeddings", StringComparison.Ordinal);
            first |= name.Contains("transformer.layers.", StringComparison.Ordinal) || name.StartsWith("transformer.word_embeddings", StringComparison.Ordinal);
            other |= OfOtherModels.Any(start => name.StartsWith(start, StringComparison.Ordinal));
        }

        return !any ? CheckpointKind.Unknown
            : onlyPrefix ? CheckpointKind.PrefixEncoder
            : second ? CheckpointKind.ChatGLM2
            : first ? CheckpointKind.ChatGLM
            : other ? CheckpointKind.OtherModel
            : CheckpointKind.Unknown;
    }

    /// <summary>Whether what was saved is a training state: optimizer, scheduler, or a whole run with the model's weights inside.</summary>
    public static bool IsTrainingState(PickleDict root) =>
        (root.TryGet("state", out var state) && state is PickleDict && root.TryGet("param_groups", out _))
        || root.TryGet("base_lrs", out _) || root.TryGet("last_epoch", out _)
        || root.TryGet("optimizer", out _) || root.TryGet("optimizer_state_dict", out _);

    /// <summary>A sentence about what this is and what to do with it.</summary>
    public static string Describe(CheckpointKind kind, bool isQuantized, IEnumerable<string> names)
    {
        var text = kind switch
        {
            CheckpointKind.ChatGLM => "This looks like a whole model of ChatGLM-6B's architecture (first generation). Load it with that model's config.json.",
            CheckpointKind.ChatGLM2 => "This looks like a whole model of ChatGLM2-6B's or ChatGLM3-6B's architecture. Load it with that model's config.json.",
            CheckpointKind.LoraAdapter => "This looks like a LoRA adapter (or another of peft's): small weights that belong on top of a "
                + "base model. Load the base model first, then "
                + "add the adapter with PeftModel.FromPretrained.",
            CheckpointKind.PrefixEncoder => "This looks like a P-Tuning v2 prefix (transformer.prefix_encoder.*): it belongs on top of a "
                + "base model. Load the base model first, then "
                + "put the prefix on it with its LoadPrefix.",
            CheckpointKind.PromptEmbeddings => "This looks like the virtual tokens of peft's prompt or prefix tuning: they belong on top of "
                + "a base model. Load the base model first, then "
                + "add them with PeftModel.FromPretrained.",
            CheckpointKind.TrainingState => "This looks like the state of a training run (optimizer, scheduler), not a model's weights. The "
                + "weights are in another file of the same folder.",
            CheckpointKind.OtherModel => "This looks like a model of another family, which is not supported.",
            _ => $"Its tensors are unknown here; the first are: {string.Join(", ", names.Take(3))}.",
        };
        return isQuantized ? text + " Its linear layers are quantized (they come with a weight_scale)." : text;
    }
}
