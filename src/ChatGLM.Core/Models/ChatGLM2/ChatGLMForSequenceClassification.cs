using ChatGLM.Models.ChatGLM2;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>ChatGLM2 or ChatGLM3 with a linear classifier over the last token's state. Pad on the left, so that the last token is a real one.</summary>
public sealed class ChatGLMForSequenceClassification : PreTrainedModel
{
    private readonly ModuleSlot<ChatGLMModel> _transformer;
    private readonly ModuleSlot<Linear> _classifierHead;
    private readonly float _dropout;

    internal ChatGLMForSequenceClassification(WeightScope scope, ChatGLM2Config config, TorchGenerator generator)
        : base(config, scope.Backend, generator)
    {
        _transformer = Child("transformer", new ChatGLMModel(scope["transformer"], config, generator));
        _classifierHead = Child("classifier_head", new Linear(scope["classifier_head"], config.HiddenSize, config.NumLabels));
        _dropout = (float)(config.ClassifierDropout ?? 0);
    }

    private protected override Transformer Transformer => _transformer.Value;

    private protected override string Architecture => "ChatGLMForSequenceClassification";

    /// <inheritdoc/>
    public override bool GradientCheckpointing
    {
        get => _transformer.Value.GradientCheckpointing;
        set => _transformer.Value.GradientCheckpointing = value;
    }

    /// <summary>Scores of the classes, [batch, labels], and the loss of the configured problem type, which the labels decide where the configuration is silent.</summary>
    /// <param name="inputs">Ids, and optionally masks, positions and labels.</param>
    public override ModelOutput Forward(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        inputs = inputs.On(Backend);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        var (hidden, states, cache) = _transformer.Value.Forward(inputs);
        var (batch, seq) = (hidden.Shape[0], hidden.Shape[1]);
        var last = Functional.Slice(hidden, 1, seq - 1, 1).Reshape(batch, Config.HiddenSize);
        var logits = _classifierHead.Value.Forward(Functional.Dropout(last, _dropout, Generator, Training));
        var loss = inputs.Labels is { } labels ? Loss(logits, labels) : null;
        foreach (var state in states)
            scope.Keep(state);
        return new ModelOutput(scope.Keep(logits), loss is null ? null : scope.Keep(loss), states, inputs.UseCache != false ? cache : null);
    }

    private Tensor Loss(Tensor logits, Tensor labels)
    {
        var isInteger = labels.DType is DType.Int64 or DType.Int32;
        var problem = Config.ProblemType ?? (Config.NumLabels == 1 ? "regression" : isInteger ? "single_label_classification" : "multi_label_classification");
        if (problem == "single_label_classification")
        {
            RequireLabels(labels, logits.Shape[0], isInteger, "int64", problem);
            var classes = logits.Backend.Cast(labels, DType.Int64);
            foreach (var label in classes.ToArray<long>())
            {
                if (label != -100 && (label < 0 || label >= Config.NumLabels))
                    throw new ModelInputException(nameof(ModelInputs.Labels), $"a label is {label}, expected 0 to {Config.NumLabels - 1}, or -100 to ignore the row.");
            }

            return Functional.CrossEntropy(logits, classes.Reshape(logits.Shape[0]));
        }

        RequireLabels(labels, logits.ElementCount, true, "float32", problem);
        var targets = logits.Backend.Cast(labels, DType.Float32).Reshape(logits.Shape.ToArray());
        return problem == "regression"
            ? Functional.Mean(Functional.Square(Functional.Subtract(logits, targets)))
            // log(1 + e^x) - x y: the cross entropy of a sigmoid, finite for any score.
            : Functional.Mean(Functional.Subtract(Functional.Softplus(logits), Functional.Multiply(logits, targets)));
    }

    private static void RequireLabels(Tensor labels, long count, bool fits, string dtype, string problem)
    {
        if (!fits || labels.ElementCount != count)
            throw new ModelInputException(nameof(ModelInputs.Labels), $"{problem} takes {count} labels of type {dtype}, found {labels.DType} {labels.Shape}.");
    }
}
