using static ChatGLM.Tensors.Tests.Kernels.KernelCheck;

namespace ChatGLM.Tensors.Tests.Kernels;

/// <summary>What the processor's kernels refuse by themselves, for callers that do not come through <see cref="Functional"/>.</summary>
[Collection(KernelCheck.Collection)]
public class KernelArgumentTests
{
    [Fact]
    public void Attention_refuses_what_does_not_fit()
    {
        using var scope = new TensorScope();
        var b = Backends[0];
        var (query, key) = (Normal(b, [1, 4, 2, 8], 1), Normal(b, [1, 2, 6, 8], 2));
        FluentActions.Invoking(() => b.Attention(query, key, key, new AttentionOptions(1, 7), null)).Should().Throw<TensorException>().WithMessage("*KeyLength 7*0..6*");
        FluentActions.Invoking(() => b.Attention(query, Normal(b, [1, 3, 6, 8], 2), Normal(b, [1, 3, 6, 8], 2), new AttentionOptions(1, 6), null)).Should().Throw<TensorException>();
        FluentActions.Invoking(() => b.Attention(query, key, key, new AttentionOptions(1, 6) { Hidden = Tensor.Zeros([1, 2, 5], DType.Bool, b) }, null)).Should().Throw<TensorException>();
        FluentActions.Invoking(() => b.Attention(query, key, key, new AttentionOptions(1, 6) { DropoutMask = Tensor.Zeros([1, 2, 5], DType.Float32, b) }, null)).Should().Throw<TensorException>();
    }

    [Fact]
    public void Elementwise_refuses_what_does_not_fit()
    {
        var b = Backends[0];
        using var scope = new TensorScope();
        var x = Normal(b, [4, 6], 1);
        FluentActions.Invoking(() => b.Add(x, Normal(b, [5], 1))).Should().Throw<TensorException>().WithMessage("Add: [5]*[4, 6]*");
        FluentActions.Invoking(() => b.Multiply(x, Normal(b, [6], 1, dtype: DType.Float16))).Should().Throw<TensorException>().WithMessage("*float32*Float16*");
        FluentActions.Invoking(() => b.AddInPlace(x, Normal(b, [5], 1))).Should().Throw<TensorException>();
        FluentActions.Invoking(() => b.SwiGlu(Normal(b, [3, 5], 1))).Should().Throw<TensorException>().WithMessage("*two halves*");
    }

    [Fact]
    public void Names_the_row_and_the_range_of_a_bad_label()
    {
        using var scope = new TensorScope();
        var b = Backends[1];
        FluentActions.Invoking(() => b.CrossEntropy(Normal(b, [3, 5], 1), Tensor.From([0L, 5, 1], [3], b), -100, 0, null))
            .Should().Throw<TensorException>().WithMessage("CrossEntropy: label 5 at row 1 is not in 0..4*-100*");
    }

    [Fact]
    public void Moving_refuses_what_lies_outside()
    {
        var b = Backends[0];
        using var scope = new TensorScope();
        var x = Normal(b, [4, 6], 1);
        FluentActions.Invoking(() => b.Slice(x, 1, 4, 3)).Should().Throw<TensorException>().WithMessage("Slice: 4..7 is not inside axis 1 of [4, 6]*");
        FluentActions.Invoking(() => b.Slice(x, 2, 0, 1)).Should().Throw<TensorException>();
        FluentActions.Invoking(() => b.WriteSlice(x, Normal(b, [2, 6], 1), 0, 3)).Should().Throw<TensorException>();
        FluentActions.Invoking(() => b.WriteSlice(x, Normal(b, [2, 5], 1), 0, 0)).Should().Throw<TensorException>();
        FluentActions.Invoking(() => b.SelectRows(x, [0, 4])).Should().Throw<TensorException>().WithMessage("*row 4 at position 1 is not in 0..3*");
        FluentActions.Invoking(() => b.Permute(x, [0, 0])).Should().Throw<TensorException>();
        FluentActions.Invoking(() => b.Concat([x, Normal(b, [4, 5], 1)], 0)).Should().Throw<TensorException>();
    }

    [Fact]
    public void A_norm_refuses_a_weight_of_another_width()
    {
        using var scope = new TensorScope();
        var b = Backends[0];
        FluentActions.Invoking(() => b.RmsNorm(Normal(b, [2, 8], 1), Normal(b, [7], 1), 1e-5f)).Should().Throw<TensorException>().WithMessage("RmsNorm: weight [7]*");
        FluentActions.Invoking(() => b.LayerNorm(Normal(b, [2, 8], 1), Normal(b, [8], 1), Normal(b, [9], 1), 1e-5f)).Should().Throw<TensorException>();
    }

    [Fact]
    public void Names_the_place_and_the_range_of_a_bad_position()
    {
        using var scope = new TensorScope();
        var b = Backends[2];
        var rotary = new RotaryTable(Normal(b, [7, 2], 1), Normal(b, [7, 2], 2), RotaryStyle.HalfSplit, 1);
        FluentActions.Invoking(() => b.SplitHeads(Normal(b, [1, 3, 12], 1), Tensor.From([0L, 6, 7], [1, 3], b), new HeadLayout(1, 1, 4, true), rotary))
            .Should().Throw<TensorException>().WithMessage("SplitHeads: position 7 at position [0, 2] is not in 0..6*");
        FluentActions.Invoking(() => b.SplitHeads(Normal(b, [1, 3, 12], 1), null, new HeadLayout(1, 1, 4, true), rotary)).Should().Throw<TensorException>();
        FluentActions.Invoking(() => b.SplitHeads(Normal(b, [1, 3, 13], 1), null, new HeadLayout(1, 1, 4, true), null)).Should().Throw<TensorException>();
    }

    [Fact]
    public void A_thin_product_refuses_what_does_not_fit()
    {
        using var scope = new TensorScope();
        var b = Backends[0];
        var matrix = Tensor.Full([4, 6], 1, DType.Float32, b);
        LowRankTerm Term(Shape left, Shape right) => new(Tensor.Full(left, 1, DType.Float32, b), Tensor.Full(right, 1, DType.Float32, b), 1);
        foreach (var term in new[] { Term([4, 2], [3, 6]), Term([3, 2], [2, 6]), Term([4, 2], [2, 5]) })
            b.Invoking(x => x.AddLowRank(matrix, [term])).Should().Throw<TensorException>().WithMessage("*does not fit*");
        b.Invoking(x => x.AddLowRank(Tensor.Full([4], 1, DType.Float32, b), [])).Should().Throw<TensorException>();
    }
}
