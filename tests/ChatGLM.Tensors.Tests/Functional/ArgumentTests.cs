using ChatGLM.Tensors.Tests.Autograd;

namespace ChatGLM.Tensors.Tests.Functions;

/// <summary>Tensors that do not fit are refused before a kernel reads past them, with what was expected and found.</summary>
public sealed class ArgumentTests
{
    private readonly HostBackend _backend = TestBackends.Create(TestBackends.Cpu);

    [Fact]
    public void Linear()
    {
        Refused(() => Functional.Linear(F(2, 4), new DenseWeight(F(3, 5))), "Linear: x: expected [..., 5], found [2, 4].");
        Refused(() => Functional.Linear(F(), new DenseWeight(F(3, 5))), "Linear: x: expected [..., 5], found [].");
        Refused(() => Functional.Linear(Half(2, 5), new DenseWeight(F(3, 5))), "Linear: x: expected float32, found float16 [2, 5]*");
        Refused(() => Functional.Linear(F(2, 5), new DenseWeight(F(3, 5)), F(5)), "Linear: bias: expected [3], found [5].");
        Refused(() => Functional.Linear(F(2, 5), new DenseWeight(F(3, 5)), I(3)), "Linear: bias: expected float32, float16 or bfloat16, found int64 [3]*");
        Refused(() => Functional.Linear(F(2, 5), new DenseWeight(Tensor.Zeros([3, 5], backend: new ReferenceBackend()))), "Linear: the tensors belong to different backends*");
    }

    [Fact]
    public void MatMul()
    {
        Refused(() => Functional.MatMul(F(2, 3), F(4, 5)), "MatMul: the inner lengths differ: 3 of [2, 3], 4 of [4, 5].");
        Refused(() => Functional.MatMul(F(2, 3), F(2, 5), transposeB: true), "MatMul*3 of [2, 3], 5 of [2, 5] transposed.");
        Refused(() => Functional.MatMul(F(2, 2, 3), F(3, 5)), "MatMul*two or more axes*");
        Refused(() => Functional.MatMul(F(2, 2, 3), F(3, 3, 5)), "MatMul*outer axes*");
        Refused(() => Functional.MatMul(F(3), F(3)), "MatMul*");
    }

    [Fact]
    public void Arithmetic()
    {
        Refused(() => Functional.Add(F(4), F(3, 4)), "Add: b: expected [4] or its innermost axes*found [3, 4].");
        Refused(() => Functional.Subtract(F(3, 4), F(3)), "Subtract*");
        Refused(() => Functional.Multiply(F(3, 4), Half(4)), "Multiply: b: expected float32*");
        Refused(() => Functional.Divide(I(3), F(3)), "Divide: a: expected float32*");
        Refused(() => Functional.Gelu(Half(3)), "Gelu*");
        Refused(() => Functional.SumLast(F()), "SumLast*");
    }

    [Fact]
    public void Blocks()
    {
        Refused(() => Functional.Embedding(F(2), F(3, 4)), "Embedding: ids: expected int64, found float32 [2].");
        Refused(() => Functional.Embedding(I(2), F(4)), "Embedding: table: expected [rows, width], found [4].");
        Refused(() => Functional.Embedding(Tensor.From([3L], [1], _backend), F(3, 4)), "Embedding*3*");
        Refused(() => Functional.Embedding(Tensor.From([-1L], [1], _backend), F(3, 4)), "Embedding*-1*");
        Refused(() => Functional.LayerNorm(F(2, 4), F(4), F(3), 1e-5f), "LayerNorm: bias: expected [4], found [3].");
        Refused(() => Functional.RmsNorm(F(2, 4), F(2, 4), 1e-5f), "RmsNorm: weight: expected [4], found [2, 4].");
        Refused(() => Functional.SwiGlu(F(2, 3)), "SwiGlu: x: expected [..., 2 * width], found [2, 3].");
        Refused(() => Functional.Dropout(F(2), 1.5f, new TorchGenerator(), true), "Dropout: probability: expected 0 to 1, found 1.5.");
        Refused(() => Functional.Dropout(F(2), float.NaN, new TorchGenerator(), true), "Dropout*");
    }

    [Fact]
    public void CrossEntropy()
    {
        Refused(() => Functional.CrossEntropy(F(2, 3, 4), I(2)), "CrossEntropy: logits: expected [rows, classes], found [2, 3, 4].");
        Refused(() => Functional.CrossEntropy(F(2, 3), I(3)), "CrossEntropy: labels: expected [2], found [3].");
        Refused(() => Functional.CrossEntropy(F(2, 3), F(2)), "CrossEntropy: labels: expected int64*");
        Refused(() => Functional.CrossEntropy(F(2, 3), Tensor.From([0L, 3], [2], _backend)), "CrossEntropy*3*");
        Refused(() => Functional.CrossEntropy(F(2, 3), I(2), labelSmoothing: -1), "CrossEntropy*");
    }

    [Fact]
    public void LinearCrossEntropy()
    {
        var weight = new DenseWeight(F(3, 4));
        Refused(() => Functional.LinearCrossEntropy(F(2, 3, 4), weight, I(2)), "LinearCrossEntropy: x: expected [rows, in], found [2, 3, 4].");
        Refused(() => Functional.LinearCrossEntropy(F(2, 3), weight, I(2)), "LinearCrossEntropy: x*");
        Refused(() => Functional.LinearCrossEntropy(F(2, 4), weight, I(3)), "LinearCrossEntropy: labels: expected [2], found [3].");
        Refused(() => Functional.LinearCrossEntropy(F(2, 4), weight, F(2)), "LinearCrossEntropy: labels: expected int64*");
        Refused(() => Functional.LinearCrossEntropy(F(2, 4), weight, Tensor.From([0L, 3], [2], _backend)), "CrossEntropy*3*");
        Refused(() => Functional.LinearCrossEntropy(F(2, 4), weight, I(2), blockRows: -1), "LinearCrossEntropy: blockRows*");
    }

    [Fact]
    public void SplitHeads()
    {
        var layout = new HeadLayout(2, 1, 4, InterleavedPerHead: false);
        var rotary = new RotaryTable(F(5, 1), F(5, 1), RotaryStyle.Interleaved, 1);
        Refused(() => Functional.SplitHeads(F(1, 2, 15), null, layout, null).Query, "SplitHeads: qkv: expected [..., 16], found [1, 2, 15].");
        Refused(() => Functional.SplitHeads(F(1, 2, 16), null, layout, rotary).Query, "SplitHeads: positions*");
        Refused(() => Functional.SplitHeads(F(1, 2, 16), I(1, 3), layout, rotary).Query, "SplitHeads: positions: expected [1, 2], found [1, 3].");
        Refused(() => Functional.SplitHeads(F(1, 2, 16), I(1, 2), layout, rotary with { Sections = 2 }).Query, "SplitHeads: positions: expected [1, 2, 2], found [1, 2].");
        Refused(() => Functional.SplitHeads(F(1, 2, 16), I(1, 3, 2), layout, rotary with { Sections = 3 }).Query, "SplitHeads: rotary: 3 sections of 2*");
        Refused(() => Functional.SplitHeads(F(1, 2, 16), null, layout with { InterleavedPerHead = true }, null).Query, "SplitHeads: layout*");
        Refused(() => Functional.SplitHeads(F(1, 1, 16), Tensor.From([5L], [1, 1], _backend), layout, rotary).Query, "SplitHeads*5*");
    }

    [Fact]
    public void Attention()
    {
        var options = new AttentionOptions(1, 3);
        Refused(() => Functional.Attention(F(1, 2, 3, 4), F(1, 2, 3, 5), F(1, 2, 3, 5), options), "Attention: key [1, 2, 3, 5] does not fit*");
        Refused(() => Functional.Attention(F(1, 3, 3, 4), F(1, 2, 3, 4), F(1, 2, 3, 4), options), "Attention*heads that divide 3.");
        Refused(() => Functional.Attention(F(1, 2, 3, 4), F(1, 2, 3, 4), F(1, 2, 2, 4), options), "Attention: value: expected [1, 2, 3, 4], found [1, 2, 2, 4].");
        Refused(() => Functional.Attention(F(1, 2, 3, 4), F(1, 2, 3, 4), F(1, 2, 3, 4), options with { KeyLength = 4 }), "Attention: KeyLength*found 4.");
        Refused(() => Functional.Attention(F(1, 2, 3, 4), F(1, 2, 3, 4), F(1, 2, 3, 4), options with { KeyLength = 2, Causal = true }), "Attention: Causal*");
        Refused(() => Functional.Attention(F(1, 2, 3, 4), F(1, 2, 3, 4), F(1, 2, 3, 4), options with { Hidden = F(1, 3, 3) }), "Attention: Hidden: expected bool*");
        Refused(() => Functional.Attention(F(1, 2, 3, 4), F(1, 2, 3, 4), F(1, 2, 3, 4), options with { Hidden = Tensor.Zeros([1, 2, 3], DType.Bool, _backend) }), "Attention: Hidden: expected [1, 3 or 1, 3], found [1, 2, 3].");
        Refused(() => Functional.Attention(F(1, 2, 3, 4), F(1, 2, 3, 4), F(1, 2, 3, 4), options with { DropoutMask = F(1, 2, 3, 4) }), "Attention: DropoutMask*");
    }

    [Fact]
    public void Moving()
    {
        Refused(() => Functional.Concat([], 0), "Concat*at least one*");
        Refused(() => Functional.Concat([F(2, 3), F(2, 4)], 0), "Concat*expected [2, 3], found [2, 4].");
        Refused(() => Functional.Concat([F(2, 3), F(2)], 0), "Concat*");
        Refused(() => Functional.Concat([F(2, 3), Half(2, 3)], 0), "Concat*float16*");
        Refused(() => Functional.Concat([F(2, 3)], 2), "Concat: axis*found 2.");
        Refused(() => Functional.Slice(F(2, 3), 1, 2, 2), "Slice: entries 2..4*3 of axis 1*");
        Refused(() => Functional.Slice(F(2, 3), 1, int.MaxValue, 2), "Slice*");
        Refused(() => Functional.Slice(F(2, 3), -3, 0, 1), "Slice: axis*");
        Refused(() => Functional.Permute(F(2, 3), 0, 0), "Permute: axes*[0, 0].");
        Refused(() => Functional.Permute(F(2, 3), 0), "Permute*");
        Refused(() => Functional.Permute(F(2, 3), 0, 2), "Permute*");
        Refused(() => Functional.Reshape(F(2, 3), [5]), "Reshape*6*5*");
        Refused(() => F(2, 3).Reshape(4, -1), "Reshape*");
    }

    private static void Refused(Func<Tensor> operation, string message) => operation.Should().Throw<TensorException>().WithMessage(message);

    private Tensor F(params int[] shape) => Tensor.Zeros(new Shape(shape), DType.Float32, _backend);

    private Tensor Half(params int[] shape) => Tensor.Zeros(new Shape(shape), DType.Float16, _backend);

    private Tensor I(params int[] shape) => Tensor.Zeros(new Shape(shape), DType.Int64, _backend);
}
