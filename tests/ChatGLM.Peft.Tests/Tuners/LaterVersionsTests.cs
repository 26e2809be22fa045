using System.Text;
using ChatGLM.Peft.LoKr;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests.Tuners;

/// <summary>Kinds that later versions of peft have changed.</summary>
public sealed class LaterVersionsTests
{
    [Theory]
    [InlineData("", 1, true)] // up to 0.13: alpha has no effect
    [InlineData(", \"rank_dropout_scale\": false", 8, false)]
    [InlineData(", \"rank_dropout_scale\": true", 8, true)]
    public void LoKr_is_scaled_as_the_version_that_wrote_it_does(string field, float scaling, bool scalesDropout)
    {
        var config = Read($"{{\"peft_type\": \"LOKR\", \"r\": 2, \"alpha\": 16{field}}}");
        var adapter = (LoKrAdapter)new LoKrTuner().Create("layer", new Linear(new DenseWeight(Tensor.Zeros([18, 12]))), config, new TorchGenerator(1));
        (adapter.Scaling, adapter.ScalesRankDropout).Should().Be((scaling, scalesDropout));
        Read(config.ToJson()).ToJson().Should().Be(config.ToJson()).And.Contain(field.Length == 0 ? "LOKR" : "rank_dropout_scale");
    }

    [Fact]
    public void Oft_of_another_formula_is_refused() =>
        FluentActions.Invoking(() => Read("{\"peft_type\": \"OFT\", \"r\": 0, \"oft_block_size\": 32}")).Should().Throw<AdapterConfigException>().WithMessage("*oft_block_size*0.14*");

    private static PeftConfig Read(string text) => PeftConfig.FromJson(Encoding.UTF8.GetBytes(text));
}
