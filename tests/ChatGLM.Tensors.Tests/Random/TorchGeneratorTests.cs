using System.Buffers.Binary;
using System.Security.Cryptography;

namespace ChatGLM.Tensors.Tests.Random;

/// <summary>Facts of torch 1.13 on a CPU, all from <c>torch.manual_seed(99)</c> unless the test says otherwise.</summary>
public sealed class TorchGeneratorTests
{
    private const float NormalTolerance = 1e-6f;

    [Fact]
    public void Fills_a_million_uniform_values_as_torch()
    {
        var values = new float[1000003];
        new TorchGenerator(99).Uniform(values);
        new[] { values[0], values[1], values[500000], values[1000002] }
            .Should().Equal(0.10330969095230103f, 0.9701558947563171f, 0.19494962692260742f, 0.6896273493766785f);
    }

    [Fact]
    public void Fills_a_million_normal_values_as_torch_with_the_tail_drawn_again()
    {
        var generator = new TorchGenerator(99);
        var values = new float[1000003];
        generator.Normal(values);
        float[] expected = [0.29946109652519226f, -2.6428585052490234f, -0.117434062063694f, -0.366927832365036f, -0.22960880398750305f, 0.44686102867126465f];
        int[] at = [0, 1, 500000, 1000002, 1000001, 999990];
        for (var i = 0; i < at.Length; i++)
            values[at[i]].Should().BeApproximately(expected[i], NormalTolerance);
        generator.NextSingle().Should().Be(0.9086687564849854f);
    }

    [Fact]
    public void Draws_few_float64_normal_values_in_pairs()
    {
        var values = new double[5];
        new TorchGenerator(99).Normal(values);
        double[] expected = [0.6126858630310205, -1.1753536896129402, -0.7646492868973628, -0.6665656697614261, 0.7443659882888475];
        for (var i = 0; i < values.Length; i++)
            values[i].Should().BeApproximately(expected[i], 1e-14);
    }

    [Fact]
    public void Scales_uniform_values_as_torch()
    {
        var values = new float[4];
        new TorchGenerator(99).Uniform(values, -0.3, 0.7);
        values.Should().Equal(-0.19669032096862793f, 0.6701558828353882f, 0.6480700969696045f, 0.6787087321281433f);
    }

    [Fact]
    public void Takes_a_negative_seed_as_its_twos_complement()
    {
        var values = new float[2];
        new TorchGenerator(unchecked((ulong)-7L)).Uniform(values);
        values.Should().Equal(0.2533376216888428f, 0.6773603558540344f);
    }

    [Fact]
    public void Draws_integers_of_wide_ranges_from_two_words()
    {
        var generator = new TorchGenerator(99);
        var values = new long[5];
        generator.RandInt(values.AsSpan(0, 3), -5, 1L << 33);
        generator.RandInt(values.AsSpan(3), -(1L << 62), 1L << 62);
        values.Should().Equal(179715550, 2627455191, 7173989876, -4031602569868127164, 1070832813415921588);
    }

    [Fact]
    public void Draws_exponential_and_bernoulli_values_as_torch()
    {
        var values = new float[4];
        new TorchGenerator(99).Exponential(values, 2.5);
        values.Should().Equal(0.7005800604820251f, 0.3513680398464203f, 0.38088104128837585f, 0.2057996690273285f);

        var ones = new float[16];
        new TorchGenerator(99).Bernoulli(ones, 0.3);
        ones.Should().Equal(Enumerable.Range(0, 16).Select(i => i == 13 ? 1f : 0f));
    }

    [Fact]
    public void Draws_one_category_as_torch_though_most_have_no_probability()
    {
        var generator = new TorchGenerator(99);
        var probabilities = Sparse();
        var drawn = Enumerable.Range(0, 12).Select(_ => generator.Multinomial(probabilities)).ToArray();
        drawn.Should().Equal(17, 4321, 999, 999, 999, 999, 999, 999, 4321, 999, 4321, 17);
        generator.NextSingle().Should().Be(0.5441012382507324f);
    }

    [Fact]
    public void Draws_categories_with_replacement_as_torch()
    {
        var generator = new TorchGenerator(99);
        var drawn = new int[12];
        generator.Multinomial(Sparse(), drawn, replacement: true);
        drawn.Should().Equal(4321, 999, 999, 999, 4321, 999, 999, 999, 4321, 4321, 999, 999);
        generator.NextSingle().Should().Be(0.6243668794631958f);

        generator.ManualSeed(99);
        generator.Multinomial(Sparse(), drawn.AsSpan(0, 1), replacement: true);
        (drawn[0], generator.NextSingle()).Should().Be((4321, 0.9480701088905334f));
    }

    [Fact]
    public void Draws_every_category_once_without_replacement()
    {
        var generator = new TorchGenerator(99);
        var drawn = new int[8];
        generator.Multinomial([1, 2, 3, 4, 5, 6, 7, 8], drawn);
        drawn.Should().Equal(5, 6, 7, 3, 2, 4, 1, 0);
        generator.NextSingle().Should().Be(0.6006126999855042f);
    }

    [Theory]
    [InlineData(0f, 0f)]
    [InlineData(float.NaN, 1f)]
    [InlineData(-1f, 2f)]
    [InlineData(float.PositiveInfinity, 1f)]
    public void Refuses_what_is_no_distribution_and_draws_nothing(float first, float second)
    {
        var generator = new TorchGenerator(99);
        generator.Invoking(g => g.Multinomial([first, second])).Should().Throw<ArgumentException>();
        generator.NextSingle().Should().Be(0.10330969095230103f);
    }

    [Theory]
    [InlineData(0.0, 1f)]
    [InlineData(1.0, 0f)]
    public void Dropout_of_nothing_or_everything_draws_nothing(double probability, float factor)
    {
        var generator = new TorchGenerator(99);
        var mask = new float[3];
        generator.DropoutMask(mask, probability);
        mask.Should().AllBeEquivalentTo(factor);
        generator.NextSingle().Should().Be(0.10330969095230103f);
    }

    [Fact]
    public void Xavier_uniform_is_torchs()
    {
        var generator = new TorchGenerator(99);
        generator.Uniform(new float[4]);
        var weight = new float[6];
        Init.XavierUniform(weight, fanIn: 3, fanOut: 2, generator);
        weight.Should().Equal(-0.3795417547225952f, 0.9202336668968201f, -0.985298216342926f, -0.09132278710603714f, 0.7904525399208069f, -0.025951862335205078f);
    }

    [Fact]
    public void Saves_the_very_bytes_that_torch_saves()
    {
        var generator = new TorchGenerator(99);
        Sha256(generator.GetState()).Should().Be("383c111eeb459d9a7116c5d3285a197f904e06f2ea29259b3e1ae8341b3daf26");
    }

    [Fact]
    public void Goes_on_from_a_saved_state_in_the_middle_of_a_pair_of_normal_values()
    {
        var generator = new TorchGenerator(99);
        generator.Normal(new float[3]);
        generator.Uniform(new float[700]);
        var state = generator.GetState();

        var restored = new TorchGenerator(1);
        restored.SetState(state);
        var values = new float[2];
        restored.Normal(values);
        values[0].Should().BeApproximately(-0.6665656566619873f, NormalTolerance);
        values[1].Should().BeApproximately(-1.282016396522522f, NormalTolerance);
        restored.NextSingle().Should().Be(0.5623863935470581f);
        restored.NextSingle().Should().Be(0.15249961614608765f);
        restored.InitialSeed.Should().Be(99);
        generator.GetState().Should().Equal(state, "saving draws nothing");
    }

    [Fact]
    public void A_state_without_a_pending_normal_value_is_torchs_after_any_number_of_words()
    {
        foreach (var words in new[] { 1, 623, 624, 625, 1247, 1248, 5000 })
        {
            var generator = new TorchGenerator(5);
            for (var i = 0; i < words; i++)
                generator.NextUInt32();
            var restored = new TorchGenerator(6);
            restored.SetState(generator.GetState());
            Enumerable.Range(0, 2000).Select(_ => restored.NextUInt32()).Should().Equal(Enumerable.Range(0, 2000).Select(_ => generator.NextUInt32()));
        }
    }

    [Fact]
    public void Skipping_words_is_drawing_them()
    {
        foreach (var words in new[] { 0, 1, 2, 622, 623, 624, 625, 10000 })
        {
            var (skipped, drawn) = (new TorchGenerator(5), new TorchGenerator(5));
            skipped.NextUInt32();
            drawn.NextUInt32();
            skipped.Skip(words);
            for (var i = 0; i < words; i++)
                drawn.NextUInt32();
            skipped.GetState().Should().Equal(drawn.GetState(), "{0} words", words);
        }
    }

    [Theory]
    [InlineData(8, 0)]      // left
    [InlineData(8, 625)]
    [InlineData(8, 1000000)]
    [InlineData(12, 0)]     // seeded
    [InlineData(16, 700)]   // next
    [InlineData(16, -1)]
    public void Refuses_a_state_that_would_read_past_the_table(int at, int value)
    {
        var state = new TorchGenerator(99).GetState();
        BinaryPrimitives.WriteInt32LittleEndian(state.AsSpan(at), value);
        var generator = new TorchGenerator(1);
        var before = generator.GetState();
        generator.Invoking(g => g.SetState(state)).Should().Throw<TorchGeneratorStateException>();
        generator.GetState().Should().Equal(before);
    }

    [Fact]
    public void Refuses_a_left_that_does_not_go_with_next()
    {
        var generator = new TorchGenerator(99);
        generator.NextUInt32();
        var state = generator.GetState();
        BinaryPrimitives.WriteInt32LittleEndian(state.AsSpan(16), 600);
        generator.Invoking(g => g.SetState(state)).Should().Throw<TorchGeneratorStateException>().WithMessage("*next 600*");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5055)]
    [InlineData(16)]
    public void Refuses_a_state_of_another_size(int bytes) =>
        new TorchGenerator(1).Invoking(g => g.SetState(new byte[bytes])).Should().Throw<TorchGeneratorStateException>().WithMessage("*5056*");

    [Fact]
    public void A_draw_of_a_category_allocates_nothing()
    {
        var generator = new TorchGenerator(99);
        var probabilities = Sparse();
        generator.Multinomial(probabilities);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            generator.Multinomial(probabilities);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);
    }

    private static float[] Sparse()
    {
        var probabilities = new float[5000];
        (probabilities[17], probabilities[999], probabilities[4321]) = (.2f, .5f, .3f);
        return probabilities;
    }

    private static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
