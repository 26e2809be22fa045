namespace ChatGLM.Peft;

/// <summary>A kind of adapter, as <c>peft_type</c> in adapter_config.json names it.</summary>
public enum PeftType
{
    /// <summary>Low-rank adaptation (Hu et al. 2021): <c>LORA</c>.</summary>
    Lora,

    /// <summary>Prefix tuning (Li and Liang 2021): <c>PREFIX_TUNING</c>.</summary>
    PrefixTuning,

    /// <summary>Prompt tuning (Lester et al. 2021): <c>PROMPT_TUNING</c>.</summary>
    PromptTuning,

    /// <summary>P-tuning (Liu et al. 2021), not to be confused with P-Tuning v2: <c>P_TUNING</c>.</summary>
    PTuning,

    /// <summary>Activations rescaled by learned vectors (Liu et al. 2022, (IA)³): <c>IA3</c>.</summary>
    Ia3,
}
