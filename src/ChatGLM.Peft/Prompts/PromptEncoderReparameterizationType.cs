namespace ChatGLM.Peft;

/// <summary>The network that makes the virtual tokens of P-tuning (<c>peft.PromptEncoderReparameterizationType</c>).</summary>
public enum PromptEncoderReparameterizationType
{
    /// <summary>Three linear layers: <c>MLP</c>.</summary>
    Mlp,

    /// <summary>A bidirectional LSTM, then two linear layers: <c>LSTM</c>.</summary>
    Lstm,
}
