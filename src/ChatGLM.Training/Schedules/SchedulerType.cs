namespace ChatGLM.Training;

/// <summary>How the learning rate moves over a training run (transformers' <c>SchedulerType</c>).</summary>
public enum SchedulerType
{
    /// <summary><c>linear</c>: up over the warm-up, then straight down to 0.</summary>
    Linear,

    /// <summary><c>cosine</c>: up over the warm-up, then down along half a cosine.</summary>
    Cosine,

    /// <summary><c>cosine_with_restarts</c>: as the cosine, several times, each time from the top.</summary>
    CosineWithRestarts,

    /// <summary><c>polynomial</c>: down along a power to an end that need not be 0.</summary>
    Polynomial,

    /// <summary><c>constant</c>: no warm-up, no decay.</summary>
    Constant,

    /// <summary><c>constant_with_warmup</c>: up over the warm-up, then level.</summary>
    ConstantWithWarmup,

    /// <summary><c>inverse_sqrt</c>: up over the warm-up, then down with the root of the step.</summary>
    InverseSqrt,

    /// <summary><c>reduce_lr_on_plateau</c>: a tenth whenever evaluation has not got better for some time.</summary>
    ReduceLrOnPlateau,
}
