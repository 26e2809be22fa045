namespace ChatGLM.Peft;

/// <summary>What the virtual tokens of prompt tuning begin as (<c>peft.PromptTuningInit</c>).</summary>
public enum PromptTuningInit
{
    /// <summary>Random numbers: <c>RANDOM</c>.</summary>
    Random,

    /// <summary>The embeddings of a text: <c>TEXT</c>.</summary>
    Text,

    /// <summary>The embeddings of random words of the vocabulary: <c>SAMPLE_VOCAB</c>, of later versions of peft.</summary>
    SampleVocab,
}
