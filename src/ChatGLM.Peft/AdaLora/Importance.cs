using ChatGLM.Tensors;

namespace ChatGLM.Peft.AdaLora;

/// <summary>How much the elements of a parameter matter to the loss: moving averages of their sensitivity, |parameter * gradient|, and of how much that changes.</summary>
internal sealed class Importance
{
    private readonly float[] _sensitivity;
    private readonly float[] _change;

    /// <summary>Nothing matters yet.</summary>
    public Importance(int count)
        : this(new float[count], new float[count])
    {
    }

    /// <summary>Goes on from averages of before.</summary>
    public Importance(float[] sensitivity, float[] change) => (_sensitivity, _change) = (sensitivity, change);

    public ReadOnlySpan<float> Sensitivity => _sensitivity;

    public ReadOnlySpan<float> Changes => _change;

    /// <param name="parameter">The parameter, with its gradient.</param>
    /// <param name="gradientScale">What the optimizer multiplied the gradient by.</param>
    /// <param name="beta1">How slowly the average of the sensitivity follows.</param>
    /// <param name="beta2">How slowly the average of its changes follows.</param>
    public void Update(Tensor parameter, float gradientScale, double beta1, double beta2)
    {
        var (values, gradient) = (parameter.ToArray<float>(), parameter.Grad!.ToArray<float>());
        var (keep, take) = ((float)beta1, (float)(1 - beta1));
        var (keepChange, takeChange) = ((float)beta2, (float)(1 - beta2));
        for (var i = 0; i < values.Length; i++)
        {
            var now = MathF.Abs(values[i] * (gradient[i] * gradientScale));
            _sensitivity[i] = (keep * _sensitivity[i]) + (take * now);
            _change[i] = (keepChange * _change[i]) + (takeChange * MathF.Abs(now - _sensitivity[i]));
        }
    }

    /// <summary>The importance of one element.</summary>
    public float this[int index] => _sensitivity[index] * _change[index];

    /// <summary>The mean importance of elements that lie a stride apart.</summary>
    public float Mean(int start, int stride, int count)
    {
        var sum = 0f;
        for (var i = 0; i < count; i++)
            sum += this[start + (i * stride)];
        return sum / count;
    }
}
