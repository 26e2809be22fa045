namespace ChatGLM.Training;

/// <summary>The optimizers of a run (transformers' <c>OptimizerNames</c>).</summary>
public enum OptimizerType
{
    /// <summary><c>adamw_torch</c>: PyTorch's AdamW.</summary>
    AdamwTorch,

    /// <summary><c>adamw_torch_fused</c>: the same here, where every AdamW step is one kernel.</summary>
    AdamwTorchFused,

    /// <summary><c>adamw_hf</c>: transformers' own AdamW.</summary>
    AdamwHf,

    /// <summary><c>adafactor</c>: Adafactor with the given learning rate, without its own scaling.</summary>
    Adafactor,

    /// <summary><c>sgd</c>: plain stochastic gradient descent.</summary>
    Sgd,

    /// <summary><c>adagrad</c>: Adagrad.</summary>
    Adagrad,

    /// <summary><c>adamw_bnb_8bit</c>: AdamW with moments of eight bits, as in bitsandbytes.</summary>
    AdamwBnb8Bit,

    /// <summary><c>adamw_8bit</c>: another name for <see cref="AdamwBnb8Bit"/>.</summary>
    Adamw8Bit,

    /// <summary><c>paged_adamw_8bit</c>: the same here, where memory is main memory, which the system pages by itself.</summary>
    PagedAdamw8Bit,

    /// <summary><c>paged_adamw_32bit</c>: <see cref="AdamwTorch"/> here.</summary>
    PagedAdamw32Bit,
}
