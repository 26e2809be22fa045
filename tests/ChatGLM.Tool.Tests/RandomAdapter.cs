using ChatGLM.Peft;
using ChatGLM.Tensors;

namespace ChatGLM.Tool.Tests;

/// <summary>A LoRA adapter for the small model whose numbers are not zero.</summary>
internal static class RandomAdapter
{
    public static void Save(string folder, int seed)
    {
        using var model = AutoModel.FromPretrained(ToolRun.Demo);
        using var peft = model.GetPeftModel(new LoraConfig { R = 4, LoraAlpha = 8, TargetModules = ["query_key_value"], TaskType = TaskType.CausalLM });
        var random = new Random(seed);
        using var scope = new TensorScope();
        peft.SetPeftModelStateDict(peft.GetPeftModelStateDict().ToDictionary(
            pair => pair.Key, pair => Tensor.From(Enumerable.Range(0, (int)pair.Value.Shape.ElementCount).Select(_ => (float)(random.NextDouble() - 0.5)).ToArray(), pair.Value.Shape)));
        peft.SavePretrained(folder);
    }
}
