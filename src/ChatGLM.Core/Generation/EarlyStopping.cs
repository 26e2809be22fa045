namespace ChatGLM.Generation;

/// <summary>When a beam search stops looking for better hypotheses: transformers' <c>early_stopping</c>.</summary>
public enum EarlyStopping
{
    /// <summary><c>false</c>: once it is unlikely that a better one will be found, judged from the best open beam.</summary>
    False,

    /// <summary><c>true</c>: as soon as there are as many finished hypotheses as beams.</summary>
    True,

    /// <summary><c>"never"</c>: only once there can be no better one.</summary>
    Never,
}
