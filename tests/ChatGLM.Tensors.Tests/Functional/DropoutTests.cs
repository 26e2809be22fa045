using ChatGLM.Tensors.Tests.Autograd;

namespace ChatGLM.Tensors.Tests.Functions;

public sealed class DropoutTests
{
    private readonly HostBackend _backend = TestBackends.Create(TestBackends.Cpu);

    [Fact]
    public void Is_the_input_itself_when_nothing_is_dropped()
    {
        var x = Tensor.Full([8], 2, backend: _backend);
        var generator = new TorchGenerator(1);
        var before = generator.GetState();
        Functional.Dropout(x, 0.5f, generator, training: false).Should().BeSameAs(x);
        Functional.Dropout(x, 0, generator, training: true).Should().BeSameAs(x);
        generator.GetState().Should().Equal(before);
    }

    [Fact]
    public void Drops_what_the_generator_says_and_scales_the_rest()
    {
        var x = Tensor.Full([3, 40], 2, backend: _backend);
        var factors = new float[120];
        new TorchGenerator(6).DropoutMask(factors, 0.25f);
        var y = Functional.Dropout(x, 0.25f, new TorchGenerator(6), training: true).ToArray<float>();
        y.Should().Equal(factors.Select(factor => 2 * factor));
        y.Should().Contain(0).And.Contain(2 / 0.75f);
        Functional.Dropout(x, 1, new TorchGenerator(6), training: true).ToArray<float>().Should().AllSatisfy(value => value.Should().Be(0));
    }
}
