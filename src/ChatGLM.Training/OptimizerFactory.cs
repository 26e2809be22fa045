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
            OptimizerType.AdamwTorch or OptimizerType.AdamwTorchFused or OptimizerType.PagedAdamw32Bit => new AdamW(groups, new() { Beta1 = arguments.AdamBeta1, Beta2 = arguments.AdamBeta2, Epsilon = arguments.AdamEpsilon }),
            OptimizerType.AdamwBnb8Bit or OptimizerType.Adamw8Bit or OptimizerType.PagedAdamw8Bit =>
                new AdamW8bit(groups, new() { Beta1 = arguments.AdamBeta1, Beta2 = arguments.AdamBeta2, Epsilon = arguments.AdamEpsilon }),
            OptimizerType.AdamwHf => new TransformersAdamW(groups, new() { Beta1 = arguments.AdamBeta1, Beta2 = arguments.AdamBeta2, Epsilon = arguments.AdamEpsilon }),
            OptimizerType.Adafactor => new Adafactor(groups, new() { ScaleParameter = false, RelativeStep = false }),
            OptimizerType.Sgd => new Sgd(groups),
            OptimizerType.Adagrad => new Adagrad(groups),
            _ => throw new TrainingArgumentsException("optim", $"{arguments.Optim} is not known."),
        };
    }

    /// <summary>The bytes of state that an optimizer keeps for a parameter.</summary>
    public static long StateBytes(OptimizerType type, Tensor parameter) => type switch
    {
        OptimizerType.Sgd => 0,
        OptimizerType.Adagrad => parameter.ElementCount * sizeof(float),
        // A number for each row and each column of a matrix, one for each number of a vector.
        OptimizerType.Adafactor when parameter.Shape.Rank >= 2 && parameter.ElementCount > 0 =>
            ((parameter.ElementCount / parameter.Shape[^1]) + (parameter.ElementCount / parameter.Shape[^2])) * sizeof(float),
        OptimizerType.Adafactor => parameter.ElementCount * sizeof(float),
        OptimizerType.AdamwBnb8Bit or OptimizerType.Adamw8Bit or OptimizerType.PagedAdamw8Bit when parameter.ElementCount >= AdamW8bit.LeastQuantized =>
            2 * (parameter.ElementCount + ((parameter.ElementCount + AdamW8bit.BlockSize - 1) / AdamW8bit.BlockSize * sizeof(float))),
        _ => 2 * parameter.ElementCount * sizeof(float),
    };
}
