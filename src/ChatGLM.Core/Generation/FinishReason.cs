namespace ChatGLM.Generation;

/// <summary>Why a sequence ended.</summary>
public enum FinishReason
{
    /// <summary>An end of sequence token came.</summary>
    Stop,

    /// <summary>The greatest length was reached.</summary>
    Length,

    /// <summary>One of the stop strings came.</summary>
    StopString,

    /// <summary>The caller cancelled, and takes what there was until then.</summary>
    Cancelled,
}
