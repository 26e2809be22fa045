namespace ChatGLM.Samples.AlpacaLora;

/// <summary>The language of what stands around an instruction.</summary>
internal enum PromptLanguage
{
    /// <summary>That of the instruction.</summary>
    Auto,

    /// <summary>English, as in the Stanford Alpaca project.</summary>
    En,

    /// <summary>Chinese.</summary>
    Zh,
}
