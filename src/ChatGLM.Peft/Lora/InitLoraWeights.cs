namespace ChatGLM.Peft;

/// <summary>The first values of a LoRA adapter.</summary>
public enum InitLoraWeights
{
    /// <summary>A uniform as a new linear layer's, B zero: the adapter changes nothing at first. <c>true</c> in the file.</summary>
    Default,

    /// <summary>A normal with deviation 1 / r, B zero. <c>"gaussian"</c> in the file.</summary>
    Gaussian,

    /// <summary>Both random, so that the adapter changes the model from the start: for tests. <c>false</c> in the file.</summary>
    Random,
}
