namespace ChatGLM.Tokenizers;

/// <summary>The generations of ChatGLM, each with its own special tokens, prompts and answers.</summary>
public enum ChatGLMGeneration
{
    /// <summary>ChatGLM-6B, of either vocabulary.</summary>
    ChatGLM6B = 1,

    /// <summary>ChatGLM2-6B and what shares its tokenizer (-32k, CodeGeeX2).</summary>
    ChatGLM2 = 2,

    /// <summary>ChatGLM3-6B and what shares its tokenizer (-32k, -128k, -base).</summary>
    ChatGLM3 = 3,
}
