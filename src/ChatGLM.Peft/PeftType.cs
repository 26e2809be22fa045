namespace ChatGLM.Peft;

/// <summary>A kind of adapter, as <c>peft_type</c> in adapter_config.json names it.</summary>
public enum PeftType
{
    /// <summary>Low-rank adaptation (Hu et al. 2021): <c>LORA</c>.</summary>
    Lora,

    /// <summary>Activations rescaled by learned vectors (Liu et al. 2022, (IA)³): <c>IA3</c>.</summary>
    Ia3,
}
