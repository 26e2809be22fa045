using ChatGLM.Peft.Combining;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

public sealed class CombiningTests
{
    private static LoraConfig Random => new() { R = 4, LoraAlpha = 8, TargetModules = ["query_key_value"], InitLoraWeights = InitLoraWeights.Random };

    [Fact]
    public void Ties_keeps_the_large_and_the_agreeing()
    {
        // Kept at density 0.5: 4 and -3 of the first, -5 and 2 of the second.
        float[][] tensors = [[4, 1, -3, 0.5f], [-5, 0, 1, 2]];
        float[][] kept = [.. tensors.Select(t => Pruning.KeepLargest(t, 0.5))];
        kept[0].Should().Equal(4, 0, -3, 0);
        TaskArithmetic.Agreeing(kept, [1, 2], MajoritySign.Total).Should().Equal(-10, 0, -3, 4);
        TaskArithmetic.Sum(kept, [1, 2]).Should().Equal(-6, 0, -3, 4);
        TaskArithmetic.Sum(tensors, [1, 2]).Should().Equal(-6, 1, -1, 4.5f);
        Pruning.KeepLargest([2, -2, 2, 1], 0.5).Should().Equal(2, -2, 0, 0);
        Pruning.KeepLargest([2, -2, 2, 1], 1).Should().Equal(2, -2, 2, 1);
        Pruning.KeepLargest([2, -2, 2, 1], 0).Should().Equal(0, 0, 0, 0);
    }

    [Fact]
    public void What_is_dropped_at_random_is_what_torch_drops()
    {
        // torch.manual_seed(5); torch.bernoulli(torch.full((20,), 0.3))
        var kept = Pruning.KeepAtRandom([.. Enumerable.Repeat(3f, 20)], 0.3, rescales: false, null, new TorchGenerator(5));
        kept.Select(v => v / 3).Should().Equal(0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0);
        // The same draws over a matrix that torch has the other way round: [4, 5] there, [5, 4] here.
        var transposed = Pruning.KeepAtRandom([.. Enumerable.Range(1, 20).Select(i => (float)i)], 0.3, rescales: false, transposedRows: 5, new TorchGenerator(5));
        transposed.Should().Equal(0, 2, 0, 0, 5, 6, 0, 0, 0, 0, 11, 0, 0, 14, 0, 16, 0, 0, 0, 0);
    }

    [Fact]
    public void The_arithmetic_of_pruning_is_that_of_peft()
    {
        // peft 0.20's and 0.11's own functions on two 3 x 4 matrices, torch.manual_seed(9), weights 0.7 and -0.4, density 0.6.
        float[][] tensors = [FactorizationTests.Values(3, 4, 3), FactorizationTests.Values(3, 4, 4)];
        float[] weights = [0.7f, -0.4f];
        float[][] Dropped(bool rescales)
        {
            var generator = new TorchGenerator(9);
            return [.. tensors.Select(t => Pruning.KeepAtRandom(t, 0.6, rescales, null, generator))];
        }

        Close(TaskArithmetic.Sum(Dropped(true), weights), [0.4424226, -0.718022, -0.2470697, -0.2944825, -0.4213035, -0.2519285, -0.2969862, 0.0, 0.086643, -0.8171073, 0.0, -0.9573805]);
        Close(TaskArithmetic.Sum(Dropped(false), weights), [0.2654535, -0.4308132, -0.1482418, -0.1766895, -0.2527821, -0.1511571, -0.1781917, 0.0, 0.0519858, -0.4902644, 0.0, -0.5744283]);
        Close(TaskArithmetic.Agreeing(Dropped(true), weights, MajoritySign.Total), [0.4424226, -0.359011, -0.1235349, -0.2944825, -0.4213035, -0.2519285, -0.1484931, 0.0, 0.086643, -0.8171073, 0.0, -0.9573805]);
        Close(
            TaskArithmetic.Agreeing([.. tensors.Select(t => Pruning.KeepLargest(t, 0.5))], weights, MajoritySign.Frequency),
            [0.2654535, -0.2154066, -0.3331038, 0.645703, 0.0, 0.6252154, -0.0890959, 0.0, 0.0, 0.0, 0.2105921, -0.0883902]);
        Close(TaskArithmetic.Sum([.. tensors.Select(t => Pruning.KeepLargest(t, 0.3))], weights), [0.0, -0.6933399, -0.3331038, 0.645703, 0.0, 0.0, 0.3975079, 0.0, 0.0, 0.0, 0.696957, 0.3976479]);

        static void Close(float[] actual, double[] expected)
        {
            for (var i = 0; i < expected.Length; i++)
                ((double)actual[i]).Should().BeApproximately(expected[i], 1e-6, "value {0}", i);
        }
    }

    [Fact]
    public void Weights_may_be_negative_as_in_later_peft()
    {
        using var peft = TinyModels.Create(2).GetPeftModel(Random, "one");
        peft.AddAdapter("two", Random);
        peft.AddWeightedAdapter(["one", "two"], [1, -0.5f], "less", new WeightedAdapterOptions { CombinationType = CombinationType.Linear });
        // The scaling is 2: A is 1.41 A1 - 1 A2, B is 1.41 B1 + 1 B2.
        var (one, two, less) = (peft.GetPeftModelStateDict("one"), peft.GetPeftModelStateDict("two"), peft.GetPeftModelStateDict("less"));
        foreach (var (key, tensor) in less)
        {
            var (first, second) = (one[key].ToFloatArray(), two[key].ToFloatArray());
            var sign = key.Contains("lora_A", StringComparison.Ordinal) ? -1 : 1;
            tensor.ToFloatArray().Should().Equal(first.Select((value, i) => (value * MathF.Sqrt(2)) + (sign * second[i])), (a, b) => Math.Abs(a - b) < 1e-6);
        }
    }

    [Theory]
    [InlineData(CombinationType.DareLinear)]
    [InlineData(CombinationType.DareTies)]
    [InlineData(CombinationType.DareLinearSvd)]
    [InlineData(CombinationType.DareTiesSvd)]
    public void A_seed_decides_what_is_dropped(CombinationType type)
    {
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(Random, "one");
        peft.AddAdapter("two", Random);
        var options = new WeightedAdapterOptions { CombinationType = type, Density = 0.5, Seed = 3 };
        peft.AddWeightedAdapter(["one", "two"], [1, 1], "a", options);
        peft.AddWeightedAdapter(["one", "two"], [1, 1], "b", options);
        peft.AddWeightedAdapter(["one", "two"], [1, 1], "c", options with { Seed = 4 });
        model.Generator.ManualSeed(3);
        peft.AddWeightedAdapter(["one", "two"], [1, 1], "d", options with { Seed = null });
        Values("a").Should().Equal(Values("b")).And.NotEqual(Values("c")).And.Equal(Values("d"));

        float[] Values(string name) => [.. peft.GetPeftModelStateDict(name).Values.SelectMany(t => t.ToFloatArray())];
    }

    [Fact]
    public void Dare_drops_after_the_draws_of_a_new_adapter()
    {
        using var model = TinyModels.Create(2);
        var config = Random with { TargetModules = ["layers.0.self_attention.query_key_value"] };
        using var peft = model.GetPeftModel(config, "one");
        peft.AddAdapter("two", config);
        peft.AddWeightedAdapter(["one", "two"], [0.5f, 0.5f], "new", new WeightedAdapterOptions { CombinationType = CombinationType.DareLinear, Density = 0.5, Seed = 3 });
        // torch.manual_seed(3), nn.Linear(32, 4), nn.Linear(4, 64), then a mask for A of each adapter, then one for B of each.
        var witness = new TorchGenerator(3);
        Init.Linear(new float[4 * 32], [], 32, witness);
        Init.Linear(new float[64 * 4], [], 4, witness);
        foreach (var side in new[] { "lora_A", "lora_B" })
        {
            var (one, two) = (Only("one", side), Only("two", side));
            var first = Array.ConvertAll(one, v => witness.NextSingle() < 0.5f ? v * 2 : 0);
            var second = Array.ConvertAll(two, v => witness.NextSingle() < 0.5f ? v * 2 : 0);
            Only("new", side).Should().Equal(first.Zip(second, (a, b) => a + b));
        }

        float[] Only(string name, string side) => peft.GetPeftModelStateDict(name).Single(p => p.Key.Contains(side, StringComparison.Ordinal)).Value.ToFloatArray();
    }

    [Theory]
    [InlineData(CombinationType.TiesSvd)]
    [InlineData(CombinationType.MagnitudePruneSvd)]
    [InlineData(CombinationType.DareLinearSvd)]
    public void With_rank_enough_the_result_is_the_pruned_sum_itself(CombinationType type)
    {
        using var model = TinyModels.Create(2);
        var config = Random with { TargetModules = ["layers.0.self_attention.query_key_value"] };
        using var peft = model.GetPeftModel(config, "one");
        peft.AddAdapter("two", config with { R = 2, LoraAlpha = 2 });
        peft.AddWeightedAdapter(["one", "two"], [1, 0.5f], "new", new WeightedAdapterOptions { CombinationType = type, Density = 0.4, SvdRank = 32, Seed = 1, MajoritySign = MajoritySign.Frequency });
        var witness = new TorchGenerator(1);
        if (type == CombinationType.DareLinearSvd)
        {
            Init.Linear(new float[32 * 32], [], 32, witness);
            Init.Linear(new float[64 * 32], [], 32, witness);
        }

        // peft multiplies by the scaling, 2 and 1 here, in the change and in the weight again.
        float[][] changes = [Change("one", 2), Change("two", 1)];
        float[][] kept = [.. changes.Select(c => type == CombinationType.DareLinearSvd ? Pruning.KeepAtRandom(c, 0.4, true, null, witness) : Pruning.KeepLargest(c, 0.4))];
        var expected = type == CombinationType.TiesSvd ? TaskArithmetic.Agreeing(kept, [2, 0.5f], MajoritySign.Frequency) : TaskArithmetic.Sum(kept, [2, 0.5f]);
        TinyModels.LargestDifference(Change("new", 1), expected).Should().BeLessThan(1e-5);
        ((LoraConfig)peft.PeftConfigs["new"]).R.Should().Be(32);

        float[] Change(string name, float scaling)
        {
            using var scope = new TensorScope();
            var state = peft.GetPeftModelStateDict(name);
            var (a, b) = (state.Single(p => p.Key.Contains("lora_A", StringComparison.Ordinal)).Value, state.Single(p => p.Key.Contains("lora_B", StringComparison.Ordinal)).Value);
            return Functional.Affine(Functional.MatMul(b, a), scaling, 0).ToFloatArray();
        }
    }

    [Fact]
    public void Cat_is_the_sum_of_the_changes_and_its_files_load()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(2);
        var config = new LoraConfig { R = 4, LoraAlpha = 8, TargetModules = ["query_key_value"], InitLoraWeights = InitLoraWeights.Random };
        using var peft = model.GetPeftModel(config, "one");
        peft.AddAdapter("two", config with { R = 2, TargetModules = ["query_key_value", "dense"] });
        peft.AddWeightedAdapter(["one", "two"], [1, 1], "both", new WeightedAdapterOptions { CombinationType = CombinationType.Cat });
        peft.SetAdapter("one", "two");
        var sum = TinyModels.Logits(model);
        peft.SetAdapter("both");
        TinyModels.LargestDifference(TinyModels.Logits(model), sum).Should().BeLessThan(1e-5);
        peft.SavePretrained(folder.Path, "both");
        var combined = TinyModels.Logits(model);
        // dense has adapter two alone, so its rank there is another: the file must say so.
        using var loaded = PeftModel.FromPretrained(TinyModels.Create(2), folder["both"]);
        TinyModels.Logits(loaded.Model).Should().Equal(combined);
    }

    [Fact]
    public void What_cannot_be_combined_is_refused()
    {
        var config = new LoraConfig { R = 4, TargetModules = ["query_key_value"] };
        using var peft = TinyModels.Create(2).GetPeftModel(config, "one");
        peft.AddAdapter("two", config with { R = 2 });
        peft.AddAdapter("three", config with { UseDora = true });
        var options = new WeightedAdapterOptions { CombinationType = CombinationType.Linear };
        Refuses(["one", "two"], [1, 1], options, "*one rank; found 4, 2*");
        Refuses(["one", "one"], [1, -1], options with { Rules = CombinationRules.Peft09 }, "*negative*");
        Refuses(["one", "three"], [1, 1], options, "*use_dora*");
        Refuses(["one"], [1, 1], options, "*as many weights*");
        Refuses(["one", "one"], [1, 1], options with { CombinationType = CombinationType.Ties }, "*density*");
        Refuses(["one", "one"], [1, 1], options with { CombinationType = CombinationType.DareLinearSvd, Density = 1.5 }, "*density*1.5*");
        var damaged = peft.GetPeftModelStateDict("two").Values.First();
        damaged.Backend.Fill(damaged, double.NaN);
        Refuses(["two", "two"], [1, 1], options with { CombinationType = CombinationType.Ties, Density = 0.5 }, "*NaN*");
        peft.Invoking(p => p.AddWeightedAdapter(["one", "nobody"], [1, 1], "new", options)).Should().Throw<AdapterNameException>();
        peft.PeftConfigs.Keys.Should().Equal("one", "two", "three");

        void Refuses(string[] adapters, float[] weights, WeightedAdapterOptions how, string why) =>
            peft.Invoking(p => p.AddWeightedAdapter(adapters, weights, "new", how)).Should().Throw<AdapterMergeException>().WithMessage(why);
    }
}
