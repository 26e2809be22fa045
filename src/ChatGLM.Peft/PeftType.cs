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

    /// <summary>Low-rank Hadamard product (Hyeon-Woo et al. 2021): <c>LOHA</c>.</summary>
    LoHa,

    /// <summary>Low-rank Kronecker product (Edalati et al. 2022): <c>LOKR</c>.</summary>
    LoKr,

    /// <summary>Orthogonal fine-tuning (Qiu et al. 2023): <c>OFT</c>.</summary>
    Oft,

    /// <summary>Vector-based random matrix adaptation (Kopiczko et al. 2023): <c>VERA</c>.</summary>
    Vera,

    /// <summary>Adaptive low-rank adaptation (Zhang et al. 2023): <c>ADALORA</c>.</summary>
    AdaLora,
}
