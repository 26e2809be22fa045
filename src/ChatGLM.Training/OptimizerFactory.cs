using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>Makes the optimizer that the arguments name, with weights of layer norms and biases kept from decay as transformers does.</summary>
internal static class OptimizerFactory
{
    public static Optimizer Create(TrainableModel model, TrainingArguments arguments)
    {
        var norms = model.Module.NamedModules().Where(m => m.Module is LayerNorm).SelectMany(m => m.Module.OwnParameters).Select(p => p.Parameter)
            .ToHashSet<Tensor>(ReferenceEqualityComparer.Instance);
        var all = model.TrainableParameters.ToList();
        if (all.Count == 0)
            throw new TrainingArgumentsException("model", "nothing in it requires a gradient: everything is frozen. Add an adapter or a prefix, or call RequiresGrad(true) on what to train.");
        bool Decays((string Name, Tensor Parameter) p) => !norms.Contains(p.Parameter) && !p.Name.Contains("bias", StringComparison.Ordinal);
        ParameterGroup[] groups =
        [
            new(all.Where(Decays).Select(p => p.Parameter), arguments.LearningRate, arguments.WeightDecay),
            new(all.Where(p => !Decays(p)).Select(p => p.Parameter), arguments.LearningRate),
        ];
        return arguments.Optim switch
        {
            OptimizerType.AdamwTorch or OptimizerType.AdamwTorchFused => new AdamW(groups, new() { Beta1 = arguments.AdamBeta1, Beta2 = arguments.AdamBeta2, Epsilon = arguments.AdamEpsilon }),
            OptimizerType.AdamwHf => new TransformersAdamW(groups, new() { Beta1 = arguments.AdamBeta1, Beta2 = arguments.AdamBeta2, Epsilon = arguments.AdamEpsilon }),
            OptimizerType.Adafactor => new Adafactor(groups, new() { ScaleParameter = false, RelativeStep = false }),
            OptimizerType.Sgd => new Sgd(groups),
            OptimizerType.Adagrad => new Adagrad(groups),
            _ => throw new TrainingArgumentsException("optim", $"{arguments.Optim} is not known."),
        };
    }

    /// <summary>The bytes of state that an optimizer keeps for each trained number.</summary>
    public static long StateBytesPerElement(OptimizerType type) => type switch
    {
        OptimizerType.Sgd or OptimizerType.Adafactor => 0,
        OptimizerType.Adagrad => sizeof(float),
        _ => 2 * sizeof(float),
    };
}
