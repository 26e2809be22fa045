using ChatGLM.Peft.Combining;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

public sealed class CombiningTests
{
    [Theory]
    [InlineData(9, 3, 7)]
    [InlineData(4, 6, 5)] // the inner width is larger than both
    [InlineData(3, 5, 9)]
    [InlineData(20, 1, 1)]
    public void Singular_values_put_the_product_together_again(int rows, int inner, int columns)
    {
        var generator = new TorchGenerator(3);
        var (p, q) = (Matrix(generator, rows, inner), Matrix(generator, inner, columns));
        var (left, right) = LowRankSvd.Decompose(p, q);
        var lengths = new double[left.GetLength(1)];
        for (var k = 0; k < lengths.Length; k++)
        {
            lengths[k] = Math.Sqrt(Enumerable.Range(0, rows).Sum(row => left[row, k] * left[row, k]));
            for (var other = 0; other < k; other++)
            {
                if (lengths[k] > 1e-9)
                    Enumerable.Range(0, columns).Sum(c => right[k, c] * right[other, c]).Should().BeApproximately(0, 1e-10);
            }

            if (lengths[k] > 1e-9)
                Enumerable.Range(0, columns).Sum(c => right[k, c] * right[k, c]).Should().BeApproximately(1, 1e-10);
        }

        lengths.Should().BeInDescendingOrder();
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
                Enumerable.Range(0, lengths.Length).Sum(k => left[row, k] * right[k, column]).Should().BeApproximately(Enumerable.Range(0, inner).Sum(k => p[row, k] * q[k, column]), 1e-10);
        }
    }

    [Fact]
    public void Ties_keeps_the_large_and_the_agreeing()
    {
        // Kept at density 0.5: 4 and -3 of the first, -5 and 2 of the second.
        float[][] tensors = [[4, 1, -3, 0.5f], [-5, 0, 1, 2]];
        TaskArithmetic.Ties(tensors, [1, 2], 0.5, MajoritySign.Total).Should().Equal(-10, 0, -3, 4);
        TaskArithmetic.MagnitudePrune(tensors, [1, 2], 0.5).Should().Equal(-6, 0, -3, 4);
        TaskArithmetic.Sum(tensors, [1, 2]).Should().Equal(-6, 1, -1, 4.5f);
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
        Refuses(["one", "one"], [1, -1], options, "*negative*");
        Refuses(["one", "three"], [1, 1], options, "*use_dora*");
        Refuses(["one"], [1, 1], options, "*as many weights*");
        Refuses(["one", "one"], [1, 1], options with { CombinationType = CombinationType.Ties }, "*density*");
        peft.Invoking(p => p.AddWeightedAdapter(["one", "nobody"], [1, 1], "new", options)).Should().Throw<AdapterNameException>();
        peft.PeftConfigs.Keys.Should().Equal("one", "two", "three");

        void Refuses(string[] adapters, float[] weights, WeightedAdapterOptions how, string why) =>
            peft.Invoking(p => p.AddWeightedAdapter(adapters, weights, "new", how)).Should().Throw<AdapterMergeException>().WithMessage(why);
    }

    private static double[,] Matrix(TorchGenerator generator, int rows, int columns)
    {
        var values = new double[rows * columns];
        generator.Normal(values);
        var matrix = new double[rows, columns];
        Buffer.BlockCopy(values, 0, matrix, 0, values.Length * sizeof(double));
        return matrix;
    }
}
