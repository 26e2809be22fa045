using System.Globalization;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Prompts;

/// <summary>
/// A bidirectional LSTM (Hochreiter and Schmidhuber 1997) with the parameters of <c>torch.nn.LSTM(bidirectional=True, batch_first=True)</c>, made of the operations that there are: it runs
/// over a few virtual tokens once per pass.
/// </summary>
internal sealed class Lstm : Module
{
    private readonly Direction[] _directions;
    private readonly int _hidden;
    private readonly float _dropout;
    private readonly TorchGenerator _generator;

    /// <param name="scope">Where the parameters come from.</param>
    /// <param name="inFeatures">The width of the input.</param>
    /// <param name="hidden">The width of one direction's state.</param>
    /// <param name="layers">The layers, each over both directions of the one before.</param>
    /// <param name="dropout">The dropout between layers.</param>
    /// <param name="generator">What it draws from.</param>
    public Lstm(WeightScope scope, int inFeatures, int hidden, int layers, float dropout, TorchGenerator generator)
    {
        (_hidden, _dropout, _generator) = (hidden, dropout, generator);
        _directions = new Direction[2 * layers];
        for (var i = 0; i < _directions.Length; i++)
            _directions[i] = new Direction(scope, i / 2, isReverse: i % 2 == 1, i < 2 ? inFeatures : 2 * hidden, hidden);
    }

    /// <summary>Whether anything is dropped in training.</summary>
    public bool HasDropout => _dropout > 0 && _directions.Length > 2;

    /// <inheritdoc/>
    public override IEnumerable<(string Name, Tensor Parameter)> OwnParameters => _directions.SelectMany(d => d.Parameters);

    /// <summary>[batch, seq, in] to [batch, seq, 2 * hidden]: the states of both directions side by side.</summary>
    /// <param name="x">The input.</param>
    /// <param name="dropsOut">Whether to drop out between layers.</param>
    public Tensor Forward(Tensor x, bool dropsOut)
    {
        // Sequence first, as torch computes: dropout draws in that order.
        x = Functional.Permute(x, 1, 0, 2);
        for (var layer = 0; layer < _directions.Length; layer += 2)
        {
            if (layer > 0)
                x = Functional.Dropout(x, _dropout, _generator, dropsOut);
            x = Functional.Concat([Run(_directions[layer], x), Run(_directions[layer + 1], x)], 2);
        }

        return Functional.Permute(x, 1, 0, 2);
    }

    /// <summary>[seq, batch, in] to [seq, batch, hidden].</summary>
    private Tensor Run(Direction direction, Tensor x)
    {
        var (seq, batch) = (x.Shape[0], x.Shape[1]);
        var fromInput = Functional.Linear(x, direction.InputWeight, direction.InputBias);
        var cell = Tensor.Zeros([1, batch, _hidden], DType.Float32, x.Backend);
        var state = Tensor.Zeros([1, batch, _hidden], DType.Float32, x.Backend);
        var states = new Tensor[seq];
        for (var step = 0; step < seq; step++)
        {
            var at = direction.IsReverse ? seq - 1 - step : step;
            var gates = Functional.Add(Functional.Slice(fromInput, 0, at, 1), Functional.Linear(state, direction.StateWeight, direction.StateBias));
            var input = Functional.Sigmoid(Functional.Slice(gates, 2, 0, _hidden));
            var forget = Functional.Sigmoid(Functional.Slice(gates, 2, _hidden, _hidden));
            var change = Functional.Tanh(Functional.Slice(gates, 2, 2 * _hidden, _hidden));
            var output = Functional.Sigmoid(Functional.Slice(gates, 2, 3 * _hidden, _hidden));
            cell = Functional.Add(Functional.Multiply(forget, cell), Functional.Multiply(input, change));
            state = Functional.Multiply(output, Functional.Tanh(cell));
            states[at] = state;
        }

        return Functional.Concat(states, 0);
    }

    /// <summary>One direction of one layer: the gates input, forget, cell and output stand below each other in each weight, [4 * hidden, ...].</summary>
    private sealed class Direction
    {
        public Direction(WeightScope scope, int layer, bool isReverse, int inFeatures, int hidden)
        {
            IsReverse = isReverse;
            var suffix = $"_l{layer.ToString(CultureInfo.InvariantCulture)}{(isReverse ? "_reverse" : "")}";
            var bound = 1 / Math.Sqrt(hidden);
            Tensor Get(string name, in Shape shape) => scope.Get(name + suffix, shape, (generator, values) => generator.Uniform(values, -bound, bound));
            InputWeight = new DenseWeight(Get("weight_ih", [4 * hidden, inFeatures]));
            StateWeight = new DenseWeight(Get("weight_hh", [4 * hidden, hidden]));
            InputBias = Get("bias_ih", [4 * hidden]);
            StateBias = Get("bias_hh", [4 * hidden]);
            Parameters = [("weight_ih" + suffix, InputWeight.Tensor), ("weight_hh" + suffix, StateWeight.Tensor), ("bias_ih" + suffix, InputBias), ("bias_hh" + suffix, StateBias)];
        }

        public bool IsReverse { get; }

        public DenseWeight InputWeight { get; }

        public DenseWeight StateWeight { get; }

        public Tensor InputBias { get; }

        public Tensor StateBias { get; }

        public IReadOnlyList<(string Name, Tensor Parameter)> Parameters { get; }
    }
}
