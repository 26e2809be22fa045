namespace ChatGLM.Peft;

/// <summary>A kind of adapter, as <c>peft_type</c> in adapter_config.json names it.</summary>
public enum PeftType
{
    /// <summary>Low-rank adaptation (Hu et al. 2021): <c>LORA</c>.</summary>
    Lora,
}
