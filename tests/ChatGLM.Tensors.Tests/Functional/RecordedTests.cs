using ChatGLM.Tensors.Tests.Autograd;
using ChatGLM.Tensors.Tests.Data;

namespace ChatGLM.Tensors.Tests.Functions;

/// <summary>The operations, with their gradients through the tape, against what PyTorch computed (see Data/make_recorded.py).</summary>
public sealed class RecordedTests
{
    private const double Tolerance = 2e-5;

    public static TheoryData<string> Backends => TestBackends.Names;

    [Theory]
    [MemberData(nameof(Backends))]
    public void Linear(string backend) => Check("linear", backend, ["x", "weight", "bias"], (_, x) => Functional.Linear(x[0], new DenseWeight(x[1]), x[2]));

    [Theory]
    [MemberData(nameof(Backends))]
    public void Norms(string backend)
    {
        Check("layer_norm", backend, ["x", "weight", "bias"], (recorded, x) => Functional.LayerNorm(x[0], x[1], x[2], (float)recorded.Number("epsilon")));
        Check("rms_norm", backend, ["x", "weight"], (recorded, x) => Functional.RmsNorm(x[0], x[1], (float)recorded.Number("epsilon")));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Functions_of_one_number(string backend)
    {
        foreach (var (name, function) in new (string, Func<Tensor, Tensor>)[]
        {
            ("gelu_tanh", Functional.Gelu), ("silu", Functional.Silu), ("tanh", Functional.Tanh), ("sigmoid", Functional.Sigmoid), ("relu", Functional.Relu),
            ("softplus", Functional.Softplus), ("exp", Functional.Exp), ("square", Functional.Square), ("log", Functional.Log), ("sqrt", Functional.Sqrt), ("swi_glu", Functional.SwiGlu),
        })
        {
            Check(name, backend, ["x"], (_, x) => function(x[0]));
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Embedding(string backend) => Check("embedding", backend, ["table"], (recorded, x) => Functional.Embedding(recorded.Tensor("ids"), x[0]));

    [Theory]
    [MemberData(nameof(Backends))]
    public void CrossEntropy(string backend)
    {
        foreach (var name in new[] { "cross_entropy", "cross_entropy_smoothed" })
        {
            Check(
                name,
                backend,
                ["logits"],
                (recorded, x) => Functional.CrossEntropy(x[0], recorded.Tensor("labels"), (int)recorded.Number("ignore_index"), (float)recorded.Number("label_smoothing")));
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Attention(string backend)
    {
        foreach (var name in new[] { "attention_causal", "attention_groups_padded", "attention_finite_hidden_score", "attention_dropout" })
        {
            Check(name, backend, ["query", "key", "value"], (recorded, x) => Functional.Attention(x[0], x[1], x[2], new AttentionOptions((float)recorded.Number("scale"), x[1].Shape[2])
            {
                Causal = recorded.Number("causal") != 0,
                Hidden = recorded.Has("hidden") ? recorded.Tensor("hidden") : null,
                HiddenScore = (float)(recorded.NumberOrNull("hidden_score") ?? double.NegativeInfinity),
                DropoutMask = recorded.Has("dropout") ? recorded.Tensor("dropout") : null,
            }));
        }
    }

    private static void Check(string name, string backendName, string[] inputs, Func<RecordedCase, Tensor[], Tensor> function)
    {
        using var scope = new TensorScope();
        var recorded = RecordedCase.Get(name, TestBackends.Create(backendName));
        var leaves = Array.ConvertAll(inputs, recorded.Tensor);
        foreach (var leaf in leaves)
            leaf.RequiresGrad = true;
        var y = function(recorded, leaves);
        Compare(y, recorded.Tensor("y"), $"y of {name}");
        y.Backward(recorded.Has("dy") ? recorded.Tensor("dy") : Tensor.Full(y.Shape, recorded.Number("dy"), DType.Float32, y.Backend));
        for (var i = 0; i < inputs.Length; i++)
            Compare(leaves[i].Grad!, recorded.Tensor("d_" + inputs[i]), $"gradient of {inputs[i]} of {name}");
    }

    private static void Compare(Tensor found, Tensor expected, string what)
    {
        found.Shape.Should().Be(expected.Shape, $"this is {what}");
        var error = found.ToArray<float>().Zip(expected.ToArray<float>(), (f, e) => f.Equals(e) ? 0 : Math.Abs((double)f - e) / Math.Max(1, Math.Abs((double)e))).Max();
        error.Should().BeLessThan(Tolerance, $"this is {what}");
    }
}
