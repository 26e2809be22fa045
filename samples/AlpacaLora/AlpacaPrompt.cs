namespace ChatGLM.Samples.AlpacaLora;

/// <summary>What a model is asked: the Alpaca project's template around an instruction and what it is about.</summary>
internal static class AlpacaPrompt
{
    /// <summary>The prompt of an instruction.</summary>
    /// <param name="instruction">What to do.</param>
    /// <param name="input">What to do it with; empty for nothing.</param>
    /// <param name="language">The language of the template.</param>
    public static string Of(string instruction, string input, PromptLanguage language)
    {
        var isChinese = language == PromptLanguage.Zh || (language == PromptLanguage.Auto && instruction.Any(c => c is >= '\u4E00' and <= '\u9FFF'));
        return (isChinese, input.Length > 0) switch
        {
            (true, true) => $"下面是一条说明任务的指令，以及任务要用到的输入。请写出恰当的回答。\n\n### 指令：\n{instruction}\n\n### 输入：\n{input}\n\n### 回答：",
            (true, false) => $"下面是一条说明任务的指令。请写出恰当的回答。\n\n### 指令：\n{instruction}\n\n### 回答：",
            (false, true) => "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n"
                + $"### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:",
            (false, false) => $"Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Response:",
        };
    }
}
