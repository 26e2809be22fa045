using ChatGLM.Tensors.Tests.Data;
using Xunit.Abstractions;

namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>Both backends against what PyTorch computed in float32 (Data/make_recorded.py).</summary>
[Collection(KernelCheck.Collection)]
public class RecordedKernelTests(ITestOutputHelper output)
{
    public static TheoryData<string> BackendNames => ["plain", "vectors"];

    public static TheoryData<string, string> Combine(params string[] names)
    {
        var data = new TheoryData<string, string>();
        foreach (var backend in new[] { "plain", "vectors" })
        {
            foreach (var name in names)
                data.Add(backend, name);
        }

        return data;
    }

    public static TheoryData<string, string> UnaryCases => Combine("gelu_tanh", "silu", "tanh", "sigmoid", "relu", "softplus", "exp", "square", "log", "sqrt");

    public static TheoryData<string, string> LossCases => Combine("cross_entropy", "cross_entropy_smoothed");

    public static TheoryData<string, string> AttentionCases => Combine("attention_causal", "attention_groups_padded", "attention_finite_hidden_score", "attention_dropout");

    public static TheoryData<string, string> SplitCases => Combine("split_heads_half_split_two_sections", "split_heads_pairs_groups");

    [Theory]
    [MemberData(nameof(UnaryCases))]
    public void Functions_of_one_number(string backend, string name) => Check(backend, name, (b, c) =>
    {
        var op = Enum.Parse<UnaryOp>(name.Replace("_", "", StringComparison.Ordinal), ignoreCase: true);
        var x = c.Tensor("x");

        // PyTorch takes GELU as 0.5 x (1 + tanh), which cancels for negative x: the bound is that of its own rounding.
        return [("y", b.Unary(op, x)), ("d_x", b.UnaryBackward(op, c.Tensor("dy"), x))];
    }, relative: 2e-6, absolute: 2e-6);

    [Theory]
    [MemberData(nameof(BackendNames))]
    public void Norms(string backend)
    {
        Check(backend, "layer_norm", (b, c) =>
        {
            var (x, weight, dWeight, dBias) = (c.Tensor("x"), c.Tensor("weight"), Tensor.Zeros([37], DType.Float32, b), Tensor.Zeros([37], DType.Float32, b));
            var epsilon = (float)c.Number("epsilon");
            return
            [
                ("y", b.LayerNorm(x, weight, c.Tensor("bias"), epsilon)), ("d_x", b.LayerNormBackward(c.Tensor("dy"), x, weight, epsilon, dWeight, dBias)), ("d_weight", dWeight), ("d_bias", dBias),
            ];
        }, relative: 2e-6, absolute: 2e-6);
        Check(backend, "rms_norm", (b, c) =>
        {
            var (x, weight, dWeight) = (c.Tensor("x"), c.Tensor("weight"), Tensor.Zeros([37], DType.Float32, b));
            var epsilon = (float)c.Number("epsilon");
            return [("y", b.RmsNorm(x, weight, epsilon)), ("d_x", b.RmsNormBackward(c.Tensor("dy"), x, weight, epsilon, dWeight)), ("d_weight", dWeight)];
        }, relative: 2e-6, absolute: 2e-6);
    }

    [Theory]
    [MemberData(nameof(BackendNames))]
    public void Gate_and_embedding(string backend)
    {
        Check(backend, "swi_glu", (b, c) => [("y", b.SwiGlu(c.Tensor("x"))), ("d_x", b.SwiGluBackward(c.Tensor("dy"), c.Tensor("x")))], relative: 2e-6, absolute: 2e-6);
        Check(backend, "embedding", (b, c) =>
        {
            var grad = Tensor.Zeros([10, 18], DType.Float32, b);
            b.EmbeddingBackward(c.Tensor("dy"), c.Tensor("ids"), grad);
            return [("y", b.Embedding(c.Tensor("ids"), c.Tensor("table"))), ("d_table", grad)];
        }, relative: 2e-6, absolute: 1e-6);
    }

    [Theory]
    [MemberData(nameof(LossCases))]
    public void Cross_entropy(string backend, string name) => Check(backend, name, (b, c) =>
    {
        var (logits, labels, ignore, smoothing) = (c.Tensor("logits"), c.Tensor("labels"), (int)c.Number("ignore_index"), (float)c.Number("label_smoothing"));
        var sums = Tensor.Zeros([logits.Shape[0]], DType.Float32, b);
        var y = b.CrossEntropy(logits, labels, ignore, smoothing, sums);
        return [("y", y), ("d_logits", b.CrossEntropyBackward(Tensor.Scalar((float)c.Number("dy"), b), logits, labels, ignore, smoothing, sums))];
    }, relative: 2e-6, absolute: 2e-6);

    [Theory]
    [MemberData(nameof(AttentionCases))]
    public void Attention(string backend, string name) => Check(backend, name, (b, c) =>
    {
        var (query, key, value) = (c.Tensor("query"), c.Tensor("key"), c.Tensor("value"));
        var options = new AttentionOptions((float)c.Number("scale"), key.Shape[2])
        {
            Causal = c.Number("causal") != 0,
            Hidden = c.Has("hidden") ? c.Tensor("hidden") : null,
            HiddenScore = (float)(c.NumberOrNull("hidden_score") ?? double.NegativeInfinity),
            DropoutMask = c.Has("dropout") ? c.Tensor("dropout") : null,
        };
        var sums = Tensor.Zeros([query.Shape[0], query.Shape[1], query.Shape[2]], DType.Float32, b);
        var y = b.Attention(query, key, value, options, sums);
        var (dQuery, dKey, dValue) = b.AttentionBackward(c.Tensor("dy"), query, key, value, y, sums, options);
        return [("y", y), ("d_query", dQuery), ("d_key", dKey), ("d_value", dValue)];
    }, relative: 3e-6, absolute: 3e-6);

    [Theory]
    [MemberData(nameof(SplitCases))]
    public void Rotary_heads(string backend, string name) => Check(backend, name, (b, c) =>
    {
        var layout = new HeadLayout((int)c.Number("heads"), (int)c.Number("kv_heads"), (int)c.Number("dim"), c.Number("per_head") != 0);
        var style = c.Number("interleaved_pairs") != 0 ? RotaryStyle.Interleaved : RotaryStyle.HalfSplit;
        var rotary = new RotaryTable(c.Tensor("cos"), c.Tensor("sin"), style, (int)c.Number("sections"));
        var positions = c.Tensor("positions");
        var (query, key, value) = b.SplitHeads(c.Tensor("qkv"), positions, layout, rotary);
        var dQkv = b.SplitHeadsBackward(c.Tensor("dy_query"), c.Tensor("dy_key"), c.Tensor("dy_value"), positions, layout, rotary);
        return [("query", query), ("key", key), ("value", value), ("d_qkv", dQkv)];
    }, relative: 1e-6, absolute: 1e-6);

    [Theory]
    [MemberData(nameof(BackendNames))]
    public void AdamW_over_five_steps(string backend) => Check(backend, "adamw", (b, c) =>
    {
        var (parameter, gradients) = (c.Tensor("start"), c.Tensor("gradients"));
        var count = (int)parameter.ElementCount;
        var (m, v) = (Tensor.Zeros([count], DType.Float32, b), Tensor.Zeros([count], DType.Float32, b));
        var trajectory = new List<Tensor>();
        for (var step = 0; step < gradients.Shape[0]; step++)
        {
            b.AdamWStep(parameter, b.Slice(gradients, 0, step, 1), m, v, new AdamWStep(
                c.Number("learning_rate"), c.Number("beta1"), c.Number("beta2"), c.Number("epsilon"), c.Number("weight_decay"), step + 1));
            trajectory.Add(b.Copy(parameter));
        }

        return [("trajectory", b.Concat(trajectory.ToArray(), 0)), ("first_moment", m), ("second_moment", v)];
    }, relative: 5e-7, absolute: 2e-7);

    private void Check(string backendName, string name, Func<Backend, RecordedCase, (string Name, Tensor Value)[]> run, double relative, double absolute)
    {
        var backends = backendName == "plain" ? [new ReferenceBackend()] : KernelCheck.Backends.Cast<Backend>().ToArray();
        foreach (var backend in backends)
        {
            using var scope = new TensorScope();
            var recorded = RecordedCase.Get(name, backend);
            foreach (var (key, value) in run(backend, recorded))
            {
                var (found, expected) = (KernelCheck.Values(value), KernelCheck.Values(recorded.Tensor(key)));
                if (backend == backends[0])
                    output.WriteLine($"{name}.{key}: largest error {found.Zip(expected, (f, e) => Math.Abs(f - e)).Max():G3}");
                KernelCheck.Compare(found, expected, relative, absolute, $"{name}.{key}");
            }
        }
    }
}
