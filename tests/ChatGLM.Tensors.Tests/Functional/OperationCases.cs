
namespace ChatGLM.Tensors.Tests.Functions;

/// <summary>Every differentiable operation on small inputs: what gradients are checked on.</summary>
internal sealed class OperationCases
{
    private readonly Backend _backend;
    private readonly TorchGenerator _generator = new(3);
    private readonly Dictionary<string, (Func<Tensor[]> Inputs, Func<Tensor[], Tensor[]> Function)> _cases = [];

    public OperationCases(Backend backend)
    {
        _backend = backend;
        AddLinearAlgebra();
        AddArithmetic();
        AddBlocks();
        AddHeads();
        AddAttention();
        AddMoving();
    }

    public static TheoryData<string, string> All
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var name in new OperationCases(new ReferenceBackend())._cases.Keys)
            {
                all.Add(name, Autograd.TestBackends.Reference);
                all.Add(name, Autograd.TestBackends.Cpu);
            }

            return all;
        }
    }

    public (Tensor[] Inputs, Func<Tensor[], Tensor[]> Function) Get(string name)
    {
        var (inputs, function) = _cases[name];
        return (inputs(), function);
    }

    private void AddLinearAlgebra()
    {
        Add("linear", () => [Normal(2, 3, 5), Normal(4, 5), Normal(4)], x => Functional.Linear(x[0], new DenseWeight(x[1]), x[2]));
        Add("linear without bias", () => [Normal(3, 5), Normal(4, 5)], x => Functional.Linear(x[0], new DenseWeight(x[1])));
        Add("linear of one row", () => [Normal(5), Normal(2, 5), Normal(2)], x => Functional.Linear(x[0], new DenseWeight(x[1]), x[2]));
        Add("linear with a computed weight", () => [Normal(3, 4), Normal(2, 4)], x => Functional.Linear(x[0], new DenseWeight(Functional.Tanh(x[1]))));
        Add("linear with a shared weight", () => [Normal(3, 4), Normal(4, 4)], x => Functional.Linear(Functional.Tanh(Functional.Linear(x[0], new DenseWeight(x[1]))), new DenseWeight(x[1])));
        foreach (var (transposeA, transposeB) in new[] { (false, false), (false, true), (true, false), (true, true) })
        {
            Add(
                $"matmul{(transposeA ? " A^T" : "")}{(transposeB ? " B^T" : "")}",
                () => [transposeA ? Normal(2, 3, 4) : Normal(2, 4, 3), transposeB ? Normal(2, 5, 3) : Normal(2, 3, 5)],
                x => Functional.MatMul(x[0], x[1], transposeA, transposeB));
        }
    }

    private void AddArithmetic()
    {
        foreach (var (kind, shape) in new (string, int[])[] { ("equal shapes", [3, 4]), ("a row", [4]), ("a number", []) })
        {
            Add($"add {kind}", () => [Normal(3, 4), Normal(shape)], x => Functional.Add(x[0], x[1]));
            Add($"add scaled {kind}", () => [Normal(3, 4), Normal(shape)], x => Functional.Add(x[0], x[1], -0.7f));
            Add($"subtract {kind}", () => [Normal(3, 4), Normal(shape)], x => Functional.Subtract(x[0], x[1]));
            Add($"multiply {kind}", () => [Normal(3, 4), Normal(shape)], x => Functional.Multiply(x[0], x[1]));
            Add($"divide {kind}", () => [Normal(3, 4), Positive(shape)], x => Functional.Divide(x[0], x[1]));
        }

        Add("add to itself", () => [Normal(3, 4)], x => Functional.Add(x[0], x[0]));
        Add("multiply by itself", () => [Normal(3, 4)], x => Functional.Multiply(x[0], x[0]));
        Add("affine", () => [Normal(3, 4)], x => Functional.Affine(x[0], -1.5f, 2));
        Add("shift", () => [Normal(3, 4)], x => Functional.Affine(x[0], 1, 2));
        Add("gelu", () => [Normal(3, 4)], x => Functional.Gelu(x[0]));
        Add("silu", () => [Normal(3, 4)], x => Functional.Silu(x[0]));
        Add("tanh", () => [Normal(3, 4)], x => Functional.Tanh(x[0]));
        Add("sigmoid", () => [Normal(3, 4)], x => Functional.Sigmoid(x[0]));
        Add("relu", () => [Values(values => new[] { -2f, -0.5f, 0.5f, 2f }.CopyTo(values, 0), [4])], x => Functional.Relu(x[0]));
        Add("softplus", () => [Normal(3, 4)], x => Functional.Softplus(x[0]));
        Add("exp", () => [Normal(3, 4)], x => Functional.Exp(x[0]));
        Add("log", () => [Positive(3, 4)], x => Functional.Log(x[0]));
        Add("sqrt", () => [Positive(3, 4)], x => Functional.Sqrt(x[0]));
        Add("square", () => [Normal(3, 4)], x => Functional.Square(x[0]));
        Add("sum", () => [Normal(3, 4)], x => Functional.Sum(x[0]));
        Add("mean", () => [Normal(3, 4)], x => Functional.Mean(x[0]));
        Add("sum of rows", () => [Normal(2, 3, 4)], x => Functional.SumLast(x[0]));
    }

    private void AddBlocks()
    {
        Add("embedding", () => [Normal(6, 3)], x => Functional.Embedding(Ids([2, 0, 5, 2], 2, 2), x[0]));
        Add("layer norm", () => [Normal(2, 3, 6), Normal(6), Normal(6)], x => Functional.LayerNorm(x[0], x[1], x[2], 1e-3f));
        Add("rms norm", () => [Normal(2, 3, 6), Normal(6)], x => Functional.RmsNorm(x[0], x[1], 1e-3f));
        Add("swiglu", () => [Normal(2, 3, 8)], x => Functional.SwiGlu(x[0]));
        Add("dropout", () => [Normal(4, 5)], x => Functional.Dropout(x[0], 0.4f, new TorchGenerator(5), training: true));
        Add("cross entropy", () => [Normal(5, 7)], x => Functional.CrossEntropy(x[0], Ids([3, 0, -100, 6, 3], 5)));
        Add("cross entropy, smoothed", () => [Normal(5, 7)], x => Functional.CrossEntropy(x[0], Ids([3, 0, 2, 6, 3], 5), ignoreIndex: 2, labelSmoothing: 0.2f));
        foreach (var blockRows in new[] { 0, 1, 2 })
        {
            var frozen = Fixed(7, 6);
            Add($"scores and cross entropy, {blockRows} rows at once", () => [Normal(5, 6), Normal(7, 6)], x => Functional.LinearCrossEntropy(x[0], new DenseWeight(x[1]), Ids([3, 0, -100, 6, 3], 5), blockRows: blockRows));
            Add($"scores and cross entropy over a frozen weight, {blockRows} rows at once", () => [Normal(5, 6)], x => Functional.LinearCrossEntropy(x[0], new DenseWeight(frozen), Ids([3, -100, -100, 6, 1], 5), blockRows: blockRows));
            Add($"scores and cross entropy of every row, {blockRows} rows at once", () => [Normal(3, 6)], x => Functional.LinearCrossEntropy(Functional.Tanh(x[0]), new DenseWeight(frozen), Ids([3, 2, 6], 3), blockRows: blockRows));
            Add($"scores and cross entropy for the weight alone, {blockRows} rows at once", () => [Normal(7, 6)], x => Functional.LinearCrossEntropy(frozen, new DenseWeight(x[0]), Ids([3, 0, -100, 6, 3, 1, 1], 7), blockRows: blockRows));
        }
    }

    private void AddHeads()
    {
        var plain = new HeadLayout(4, 2, 4, InterleavedPerHead: false);
        var interleaved = new HeadLayout(2, 2, 8, InterleavedPerHead: true);
        Add("heads, blocks", () => [Normal(2, 3, plain.Width)], x => Join(Functional.SplitHeads(x[0], null, plain, null)));
        Add("heads, interleaved", () => [Normal(2, 3, interleaved.Width)], x => Join(Functional.SplitHeads(x[0], null, interleaved, null)));
        Add("heads, half rotary in pairs", () => [Normal(2, 3, plain.Width)], x => Join(Functional.SplitHeads(x[0], Ids([0, 1, 2, 5, 3, 4], 2, 3), plain, Rotary(2, 1, RotaryStyle.Interleaved))));
        Add("heads, two-dimensional rotary", () => [Normal(2, 3, interleaved.Width)], x => Join(Functional.SplitHeads(x[0], Ids([0, 1, 2, 0, 0, 1, 3, 3, 3, 1, 2, 3], 2, 2, 3), interleaved, Rotary(4, 2, RotaryStyle.HalfSplit))));
        Add("query only", () => [Normal(2, 3, plain.Width)], x => Functional.SplitHeads(x[0], null, plain, null).Query);
        Add("key and value only", () => [Normal(2, 3, plain.Width)], x => Join(Functional.SplitHeads(x[0], null, plain, null))[1..]);
    }

    private void AddAttention()
    {
        Attention("attention", keyHeads: 4, keys: 3, new AttentionOptions(0.5f, 3));
        Attention("attention of groups", keyHeads: 2, keys: 3, new AttentionOptions(0.5f, 3));
        Attention("attention, causal", keyHeads: 1, keys: 5, new AttentionOptions(0.5f, 5) { Causal = true });
        Attention("attention over a part of the keys", keyHeads: 2, keys: 6, new AttentionOptions(0.5f, 4) { Causal = true });
        Attention("attention, padded", keyHeads: 2, keys: 3, new AttentionOptions(0.5f, 3) { Hidden = Flags([true, false, false, false, false, false], 2, 1, 3) });

        // The first row of the first batch sees nothing: zeros with minus infinity, all keys alike with a finite score.
        bool[] rows = [true, true, true, false, true, false, false, false, false, true, false, true, false, true, true, false, false, true];
        Attention("attention, a row sees nothing", keyHeads: 2, keys: 3, new AttentionOptions(0.5f, 3) { Hidden = Flags(rows, 2, 3, 3) });
        Attention("attention, a finite score hides", keyHeads: 4, keys: 3, new AttentionOptions(0.5f, 3) { Hidden = Flags(rows, 2, 3, 3), HiddenScore = -10000 });
        Attention("attention with dropout", keyHeads: 2, keys: 3, new AttentionOptions(0.5f, 3) { Causal = true, DropoutMask = Functional.DropoutMask([2, 4, 3, 3], 0.3f, new TorchGenerator(2), _backend) });

        void Attention(string name, int keyHeads, int keys, AttentionOptions options) =>
            Add(name, () => [Normal(2, 4, 3, 2), Normal(2, keyHeads, keys, 2), Normal(2, keyHeads, keys, 2)], x => Functional.Attention(x[0], x[1], x[2], options));
    }

    private void AddMoving()
    {
        Add("reshape", () => [Normal(3, 4)], x => x[0].Reshape(2, -1));
        for (var axis = 0; axis < 3; axis++)
        {
            var at = axis;
            Add($"concat along {axis}", () => [Normal(Lengths(1)), Normal(Lengths(3)), Normal(Lengths(2))], x => Functional.Concat([x[0], x[1], x[2]], at));
            Add($"slice of {axis}", () => [Normal(4, 4, 4)], x => Functional.Slice(x[0], at, 1, 2));
            int[] Lengths(int length) => new Shape(2, 3, 2).With(at, length).ToArray();
        }

        Add("concat with itself", () => [Normal(3, 2)], x => Functional.Concat([x[0], x[0]], -1));
        Add("permute", () => [Normal(2, 3, 4)], x => Functional.Permute(x[0], 2, 0, 1));
        Add("slices that overlap", () => [Normal(3, 5)], x => Functional.Multiply(Functional.Slice(x[0], 1, 0, 3), Functional.Slice(x[0], -1, 2, 3)));
    }

    private void Add(string name, Func<Tensor[]> inputs, Func<Tensor[], Tensor> function) => Add(name, inputs, x => [function(x)]);

    private void Add(string name, Func<Tensor[]> inputs, Func<Tensor[], Tensor[]> function) => _cases.Add(name, (inputs, function));

    private static Tensor[] Join((Tensor Query, Tensor Key, Tensor Value) heads) => [heads.Query, heads.Key, heads.Value];

    private Tensor Normal(params int[] shape) => Values(values => _generator.Normal(values), shape);

    private Tensor Fixed(params int[] shape)
    {
        var tensor = Normal(shape);
        tensor.RequiresGrad = false;
        return tensor;
    }

    private Tensor Positive(params int[] shape) => Values(values => _generator.Uniform(values, 0.6, 2), shape);

    private Tensor Values(Action<float[]> fill, int[] shape)
    {
        var values = new float[new Shape(shape).ElementCount];
        fill(values);
        var tensor = Tensor.From(values, new Shape(shape), _backend);
        tensor.RequiresGrad = true;
        return tensor;
    }

    private Tensor Ids(long[] values, params int[] shape) => Tensor.From(values, new Shape(shape), _backend);

    private Tensor Flags(bool[] values, params int[] shape) => Tensor.From(values, new Shape(shape), _backend);

    private RotaryTable Rotary(int rotaryDim, int sections, RotaryStyle style)
    {
        var angles = Enumerable.Range(0, 8 * rotaryDim / 2).Select(i => i * 0.37f).ToArray();
        Shape shape = [8, rotaryDim / 2];
        return new RotaryTable(Tensor.From(Array.ConvertAll(angles, MathF.Cos), shape, _backend), Tensor.From(Array.ConvertAll(angles, MathF.Sin), shape, _backend), style, sections);
    }
}
