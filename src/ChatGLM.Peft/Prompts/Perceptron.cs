using System.Globalization;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Prompts;

/// <summary>Linear layers with an activation between them, named by their places in a <c>torch.nn.Sequential</c>: 0, 2, 4.</summary>
internal sealed class Perceptron : Module
{
    private readonly List<ModuleSlot<Linear>> _layers = [];
    private readonly Func<Tensor, Tensor> _activation;

    /// <param name="scope">Where the parameters come from.</param>
    /// <param name="widths">The widths of input, inner values and output.</param>
    /// <param name="activation">What stands between two layers.</param>
    public Perceptron(WeightScope scope, ReadOnlySpan<int> widths, Func<Tensor, Tensor> activation)
    {
        _activation = activation;
        for (var i = 0; i + 1 < widths.Length; i++)
        {
            var name = (2 * i).ToString(CultureInfo.InvariantCulture);
            _layers.Add(Child(name, new Linear(scope[name], widths[i], widths[i + 1])));
        }
    }

    /// <summary>[..., in] to [..., out].</summary>
    public Tensor Forward(Tensor x)
    {
        x = _layers[0].Value.Forward(x);
        foreach (var layer in _layers.Skip(1))
            x = layer.Value.Forward(_activation(x));
        return x;
    }
}
