namespace ChatGLM.Hub;

/// <summary>Which files of a repo are wanted.</summary>
[Flags]
public enum SnapshotParts
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary><c>config.json</c>, and <c>generation_config.json</c> where there is one.</summary>
    Config = 1,

    /// <summary>The tokenizer's files.</summary>
    Tokenizer = 2,

    /// <summary>The weights in one form: safetensors where there are any, else PyTorch's; with all shards.</summary>
    Weights = 4,

    /// <summary>The configuration and the weights of a PEFT adapter.</summary>
    Adapter = 8,

    /// <summary>What a model needs to chat.</summary>
    Model = Config | Tokenizer | Weights,
}
