namespace ChatGLM.Peft;

/// <summary>What a model with an adapter is for, as <c>task_type</c> in adapter_config.json names it.</summary>
public enum TaskType
{
    /// <summary><c>CAUSAL_LM</c>.</summary>
    CausalLM,

    /// <summary><c>SEQ_2_SEQ_LM</c>; the same as <see cref="CausalLM"/> for these models.</summary>
    Seq2SeqLM,

    /// <summary><c>SEQ_CLS</c>: a classifier, whose head is trained and saved with the adapter.</summary>
    SequenceClassification,

    /// <summary><c>TOKEN_CLS</c>.</summary>
    TokenClassification,

    /// <summary><c>QUESTION_ANS</c>.</summary>
    QuestionAnswering,

    /// <summary><c>FEATURE_EXTRACTION</c>.</summary>
    FeatureExtraction,
}
