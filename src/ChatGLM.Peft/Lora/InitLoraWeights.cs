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

    /// <summary>
    /// The largest singular values of the weight and their vectors, and the rest in the weight's place (PiSSA, Meng et al. 2024): training begins at what matters most. <c>"pissa"</c> in the file,
    /// <c>"pissa_niter_[n]"</c> with <see cref="LoraConfig.PissaIterations"/>.
    /// </summary>
    Pissa,

    /// <summary>The first columns and rows of the weight's QR decomposition, and the rest in the weight's place (OLoRA, Büyükakyüz 2024). <c>"olora"</c> in the file.</summary>
    Olora,

    /// <summary>The weight rounded to few bits in its place, and the best adapter for what the rounding loses (LoftQ, Li et al. 2023). <c>"loftq"</c> in the file, with <see cref="LoraConfig.LoftqConfig"/>.</summary>
    Loftq,
}
