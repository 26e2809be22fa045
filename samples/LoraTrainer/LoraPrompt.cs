namespace ChatGLM.Samples.LoraTrainer;

/// <summary>The texts that the model learns to go on with.</summary>
internal static class LoraPrompt
{
    private const string Head = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n";

    /// <summary>What stands before an answer.</summary>
    public static string Question(string context) => $"{Head}### Instruction: \n{context}\n\n### Answer: \n";

    /// <summary>What stands before a text of a txt file.</summary>
    public static string TextHead => $"{Head}### \n";
}
