namespace ChatGLM.Samples.LoraTrainer;

/// <summary>What a data file holds.</summary>
internal enum DataType
{
    /// <summary>Objects with context and target.</summary>
    Json,

    /// <summary>A text on each line.</summary>
    Txt,
}
