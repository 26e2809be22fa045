namespace ChatGLM.Peft.Tuners;

/// <summary>Which biases of the base model an adapter trains.</summary>
internal enum TrainedBiases
{
    None,
    All,
    OfTargets,
}
