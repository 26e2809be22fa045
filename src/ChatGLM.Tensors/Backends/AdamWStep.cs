namespace ChatGLM.Tensors;

/// <summary>The numbers of one AdamW step (Loshchilov and Hutter 2019; <c>torch.optim.AdamW</c>).</summary>
/// <param name="LearningRate">The learning rate of this step.</param>
/// <param name="Beta1">The decay of the first moment.</param>
/// <param name="Beta2">The decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled: the parameter is multiplied by 1 - learningRate * weightDecay.</param>
/// <param name="Step">Counts from 1.</param>
/// <param name="GradientScale">Multiplies the gradient first: gradient clipping without another pass over memory.</param>
public readonly record struct AdamWStep(double LearningRate, double Beta1, double Beta2, double Epsilon, double WeightDecay, long Step, float GradientScale = 1);
