using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Prompts;

/// <summary>Where the parameters of a new prompt come from: float32, drawn in PyTorch's order from the model's generator.</summary>
internal static class PromptWeights
{
    public static WeightScope Fresh(PreTrainedModel model) => new(new FreshWeights(model.Generator, DType.Float32, model.Backend));
}
