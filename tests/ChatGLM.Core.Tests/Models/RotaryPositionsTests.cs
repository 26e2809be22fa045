using ChatGLM.Models;
using ChatGLM.Models.ChatGLM2;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

/// <summary>The rotary table against values recorded from torch 1.13 in float32, for the published head of 128: the plain models, chatglm2-6b-32k (positions divided by 16), chatglm3-6b-32k and
/// -128k (base multiplied by 50 and 500).</summary>
public sealed class RotaryPositionsTests
{
    [Theory]
    [InlineData(1, RopeScaling.MultiplyBase, 1, 0, 0.540302336f, 0.841470957f)]
    [InlineData(1, RopeScaling.MultiplyBase, 1, 31, 1f, 0.00013335215f)]
    [InlineData(1, RopeScaling.MultiplyBase, 777, 5, -0.455173522f, 0.890402734f)]
    [InlineData(1, RopeScaling.MultiplyBase, 8191, 1, -0.842082798f, -0.539348304f)]
    [InlineData(1, RopeScaling.MultiplyBase, 32767, 0, 0.982263327f, 0.187506557f)]
    [InlineData(1, RopeScaling.MultiplyBase, 32767, 13, -0.493602902f, -0.869687378f)]
    [InlineData(1, RopeScaling.MultiplyBase, 32767, 31, -0.336162448f, -0.941804051f)]
    [InlineData(16, RopeScaling.DividePositions, 1, 0, 0.998047531f, 0.0624593161f)]
    [InlineData(16, RopeScaling.DividePositions, 1, 31, 1f, 8.3345094e-06f)]
    [InlineData(16, RopeScaling.DividePositions, 777, 5, 0.497235298f, -0.867615759f)]
    [InlineData(16, RopeScaling.DividePositions, 8191, 1, 0.811166346f, 0.584815502f)]
    [InlineData(16, RopeScaling.DividePositions, 32767, 0, 0.928326666f, -0.371765524f)]
    [InlineData(16, RopeScaling.DividePositions, 32767, 13, -0.13006942f, -0.991504908f)]
    [InlineData(16, RopeScaling.DividePositions, 32767, 31, 0.962940276f, 0.269714803f)]
    [InlineData(50, RopeScaling.MultiplyBase, 1, 0, 0.540302336f, 0.841470957f)]
    [InlineData(50, RopeScaling.MultiplyBase, 1, 31, 1f, 3.01385808e-06f)]
    [InlineData(50, RopeScaling.MultiplyBase, 777, 5, 0.857262135f, -0.51488018f)]
    [InlineData(50, RopeScaling.MultiplyBase, 8191, 1, 0.823742986f, 0.566963375f)]
    [InlineData(50, RopeScaling.MultiplyBase, 32767, 0, 0.982263327f, 0.187506557f)]
    [InlineData(50, RopeScaling.MultiplyBase, 32767, 13, 0.0770341307f, 0.99702847f)]
    [InlineData(50, RopeScaling.MultiplyBase, 32767, 31, 0.995127678f, 0.0985946432f)]
    [InlineData(500, RopeScaling.MultiplyBase, 1, 0, 0.540302336f, 0.841470957f)]
    [InlineData(500, RopeScaling.MultiplyBase, 1, 31, 1f, 3.23871546e-07f)]
    [InlineData(500, RopeScaling.MultiplyBase, 777, 5, 0.789317369f, 0.613985419f)]
    [InlineData(500, RopeScaling.MultiplyBase, 8191, 1, 0.977282166f, 0.211942405f)]
    [InlineData(500, RopeScaling.MultiplyBase, 32767, 0, 0.982263327f, 0.187506557f)]
    [InlineData(500, RopeScaling.MultiplyBase, 32767, 13, 0.822686076f, -0.56849587f)]
    [InlineData(500, RopeScaling.MultiplyBase, 32767, 31, 0.999943674f, 0.0106120994f)]
    public void Both_rules_of_the_rope_ratio_give_the_recorded_table(double ratio, RopeScaling scaling, int position, int pair, float cos, float sin)
    {
        var config = new ChatGLM2Config { RopeRatio = ratio, RopeScaling = scaling, SeqLength = 32768 };
        using var rotary = ChatGLMModel.CreateRotary(config, Backend.Default);
        var table = rotary.Covering(position + 1);
        table.Style.Should().Be(RotaryStyle.Interleaved);
        table.RotaryDim.Should().Be(64);
        var at = (position * 32) + pair;
        table.Cos.ToArray<float>()[at].Should().BeApproximately(cos, 1e-6f);
        table.Sin.ToArray<float>()[at].Should().BeApproximately(sin, 1e-6f);
    }

    [Fact]
    public void The_table_grows_as_far_as_positions_go_and_no_further()
    {
        var config = new ChatGLM2Config { SeqLength = 1000 };
        using var rotary = ChatGLMModel.CreateRotary(config, Backend.Default);
        var first = rotary.Covering(10);
        rotary.Covering(300).Should().BeSameAs(first);
        var grown = rotary.Covering(1000);
        grown.Positions.Should().Be(1000);
        grown.Cos.ToArray<float>().AsSpan(0, (int)first.Cos.ElementCount).SequenceEqual(first.Cos.ToArray<float>()).Should().BeTrue("the old table stays usable, and the new one begins with it");
        FluentActions.Invoking(() => rotary.Covering(1001)).Should().Throw<ModelInputException>().WithMessage("*1000*999*");
    }
}
