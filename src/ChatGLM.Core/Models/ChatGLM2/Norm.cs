using ChatGLM.Tensors;

namespace ChatGLM.Models.ChatGLM2;

/// <summary>The normalisation that a config chooses.</summary>
internal static class Norm
{
    public static NormModule Create(WeightScope scope, ChatGLM2Config config) => config.Rmsnorm
        ? new RmsNorm(scope, config.HiddenSize, (float)config.LayernormEpsilon)
        : new LayerNorm(scope, config.HiddenSize, (float)config.LayernormEpsilon);
}
