using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>What a prompt gives, checked and spread over the rows of a pass.</summary>
internal static class PromptRows
{
    /// <returns>[batch, length, width].</returns>
    public static Tensor Spread(SoftPrompt prompt, Tensor rows, int batch, int width)
    {
        if (rows.DType != DType.Float32 || (rows.Shape != new Shape(batch, prompt.Length, width) && rows.Shape != new Shape(1, prompt.Length, width)))
            throw new ModelInputException(nameof(PreTrainedModel.SoftPrompt), $"{prompt.GetType().Name} should give float32 [1 or {batch}, {prompt.Length}, {width}] for this model, it gave {rows.DType} {rows.Shape}.");
        return rows.Shape[0] == batch ? rows : Functional.Concat(Enumerable.Repeat(rows, batch).ToArray(), 0);
    }
}
