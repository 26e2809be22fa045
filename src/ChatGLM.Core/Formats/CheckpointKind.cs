namespace ChatGLM.Formats;

/// <summary>What a checkpoint seems to hold, judged by the names of its tensors.</summary>
public enum CheckpointKind
{
    /// <summary>Nothing that is known here.</summary>
    Unknown,

    /// <summary>A whole model of ChatGLM-6B's architecture.</summary>
    ChatGLM,

    /// <summary>A whole model of the architecture that ChatGLM2-6B and ChatGLM3-6B share.</summary>
    ChatGLM2,

    /// <summary>A LoRA adapter of peft, or another of its adapters inside the layers.</summary>
    LoraAdapter,

    /// <summary>A P-Tuning v2 prefix: <c>transformer.prefix_encoder.*</c> alone.</summary>
    PrefixEncoder,

    /// <summary>Virtual tokens of peft's prompt or prefix tuning: <c>prompt_embeddings</c>.</summary>
    PromptEmbeddings,

    /// <summary>The state of an optimizer, a scheduler or a random number generator.</summary>
    TrainingState,

    /// <summary>A model of another family.</summary>
    OtherModel,
}
