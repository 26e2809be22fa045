namespace ChatGLM.Peft;

/// <summary>Which biases are trained and saved with a VeRA adapter. Trained biases change the base model itself: only one adapter may have them.</summary>
public enum VeraBias
{
    /// <summary>None.</summary>
    None,

    /// <summary>Every bias of the model.</summary>
    All,

    /// <summary>The biases of the layers that have the adapter.</summary>
    VeraOnly,
}
