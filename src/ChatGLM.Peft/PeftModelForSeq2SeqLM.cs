using ChatGLM.Models;

namespace ChatGLM.Peft;

/// <summary>
/// What <see cref="TaskType.Seq2SeqLM"/> makes of a model that answers (<c>peft.PeftModelForSeq2SeqLM</c>), as published training scripts ask for it. ChatGLM reads the source and writes the target in one
/// sequence, so it is a <see cref="PeftModelForCausalLM"/> in all it does; peft's own class fails here, because it hands the model inputs for a decoder that it does not have.
/// </summary>
public sealed class PeftModelForSeq2SeqLM : PeftModelForCausalLM
{
    internal PeftModelForSeq2SeqLM(ChatGLMForConditionalGeneration model)
        : base(model)
    {
    }
}
