using ChatGLM.Models;

namespace ChatGLM.Peft;

/// <summary>
/// A classifier with adapters (<c>peft.PeftModelForSequenceClassification</c>). Its head, which was drawn at random, is trained and saved with every adapter whose task is
/// <see cref="TaskType.SequenceClassification"/>.
/// </summary>
public sealed class PeftModelForSequenceClassification : PeftModel
{
    internal PeftModelForSequenceClassification(ChatGLMForSequenceClassification model)
        : base(model) => Model = model;

    /// <summary>The base model. Its forward pass goes through the active adapters.</summary>
    public ChatGLMForSequenceClassification Model { get; }
}
