using ChatGLM.Peft.LoKr;

namespace ChatGLM.Peft.Tests.Tuners;

public sealed class FactorizationTests
{
    [Theory]
    [InlineData(256, -1, 16, 16)]
    [InlineData(128, -1, 8, 16)]
    [InlineData(127, -1, 1, 127)]
    [InlineData(128, 4, 4, 32)]
    [InlineData(12, 5, 3, 4)]
    public void Sizes_are_factored_as_in_lycoris(int size, int factor, int smaller, int larger) =>
        LoKrTuner.Factorize(size, factor).Should().Be((smaller, larger));
}
