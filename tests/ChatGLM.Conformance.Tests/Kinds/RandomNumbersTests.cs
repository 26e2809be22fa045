using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>Draws of <see cref="TorchGenerator"/> against PyTorch's. Each row says in Python how its numbers came about.</summary>
public sealed partial class RandomNumbersTests(ITestOutputHelper output)
{
    [ConformanceTheory("random_numbers"), CasesOf("random_numbers")]
    public void Draws_what_torch_draws_from_a_seed(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf(recorded.Json.GetProperty("tensors").GetString()!));
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance").GetProperty("floats"));
        var rows = 0;
        foreach (var row in recorded.Json.GetProperty("rows").EnumerateArray())
        {
            var name = row.GetProperty("name").GetString()!;
            var generator = new TorchGenerator(unchecked((ulong)ReadSeed(row.GetProperty("seed"))));
            var drawn = Draw(row.GetProperty("how").GetString()!, tensors, name, generator);
            if (tensors.DType(name) is "F32")
                closeness.Check(name, Array.ConvertAll(drawn, d => (float)d), tensors.Floats(name));
            else if (tensors.DType(name) is "F64")
                CheckDoubles(name, drawn, tensors.Doubles(name), closeness);
            else
                drawn.Should().Equal(Array.ConvertAll(tensors.Longs(name), n => (double)n), "'{0}' is exact", name);

            var next = new float[tensors.Floats(name + ".next").Length];
            generator.Uniform(next);
            next.Should().Equal(tensors.Floats(name + ".next"), "'{0}' must leave the generator where torch leaves it", name);
            rows++;
        }

        rows.Should().BePositive();
        closeness.Report(output, $"{caseName}, {rows} rows");
    }

    [ConformanceTheory("random_numbers"), CasesOf("random_numbers")]
    public void Orders_samples_as_the_trainer_does(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var orders = 0;
        foreach (var row in recorded.ReadJson("orders.json").EnumerateArray())
        {
            // data_seed is recorded, and changes nothing on one process.
            var generator = new TorchGenerator(unchecked((ulong)ReadSeed(row.GetProperty("seed"))));
            var samples = row.GetProperty("samples").GetInt32();
            var expected = row.GetProperty("order").EnumerateArray().Select(n => n.GetInt32()).ToArray();
            var actual = new int[row.GetProperty("epochs").GetInt32() * samples];
            for (var start = 0; start < actual.Length; start += samples)
                RandomSampler.NextEpoch(actual.AsSpan(start, samples), generator);
            actual.Should().Equal(expected, "orders.json row {0}", orders++);
        }

        orders.Should().BePositive();
        output.WriteLine($"{caseName}: {orders} orders, exact");
    }

    private static long ReadSeed(JsonElement seed) => seed.TryGetInt64(out var signed) ? signed : unchecked((long)seed.GetUInt64());

    private static void CheckDoubles(string name, double[] actual, double[] expected, Closeness closeness)
    {
        actual.Should().HaveCount(expected.Length);
        // Float64 rows are held to float64's own accuracy: 24 bits would not show that 53 were drawn.
        for (var i = 0; i < expected.Length; i++)
            actual[i].Should().BeApproximately(expected[i], 1e-12, "'{0}'[{1}]", name, i);
        closeness.Check(name, Array.ConvertAll(actual, d => (float)d), Array.ConvertAll(expected, d => (float)d));
    }

    private static double[] Draw(string how, RecordedTensors tensors, string name, TorchGenerator generator)
    {
        double[] Floats(int count, Action<float[]> fill)
        {
            var values = new float[count];
            fill(values);
            return Array.ConvertAll(values, v => (double)v);
        }

        if (Match(TorchFill(), how) is { } fill)
        {
            var count = Product(fill["shape"]);
            if (fill["type"] is "float64")
            {
                var values = new double[count];
                if (fill["call"] is "rand")
                    generator.Uniform(values);
                else
                    generator.Normal(values);
                return values;
            }

            return Floats(count, values =>
            {
                if (fill["call"] is "rand")
                    generator.Uniform(values);
                else
                    generator.Normal(values);
            });
        }

        if (Match(RandPerm(), how) is { } perm)
        {
            var order = new int[(int)Number(perm["n"])];
            generator.RandPerm(order);
            return order.Take(perm["head"] is { Length: > 0 } head ? (int)Number(head) : order.Length).Select(n => (double)n).ToArray();
        }

        if (Match(RandInt(), how) is { } ints)
        {
            var values = new long[Product(ints["shape"])];
            generator.RandInt(values, (long)Number(ints["low"]), (long)Number(ints["high"]));
            return Array.ConvertAll(values, n => (double)n);
        }

        if (Match(Kaiming(), how) is { } kaiming)
            return Floats(Product(kaiming["shape"]), w => Init.KaimingUniform(w, Sizes(kaiming["shape"])[1], Number(kaiming["a"]), generator));
        if (Match(Xavier(), how) is { } xavier)
        {
            var sizes = Sizes(xavier["shape"]);
            return Floats(Product(xavier["shape"]), w => Init.XavierUniform(w, sizes[1], sizes[0], generator));
        }

        if (Match(NormalInPlace(), how) is { } normal)
            return Floats(Product(normal["shape"]), w => generator.Normal(w, Number(normal["mean"]), Number(normal["std"])));
        if (Match(InitNormal(), how) is { } initNormal)
            return Floats(Product(initNormal["shape"]), w => generator.Normal(w, 0, Number(initNormal["std"])));
        if (Match(Dropout(), how) is { } dropout)
            return Floats(Product(dropout["shape"]), m => generator.DropoutMask(m, Number(dropout["p"])));
        if (Match(EmbeddingModule(), how) is { } embedding)
            return Floats(Product(embedding["shape"]), w => Init.Embedding(w, generator));
        if (Match(LinearModule(), how) is { } linear)
        {
            var (inFeatures, outFeatures) = ((int)Number(linear["in"]), (int)Number(linear["out"]));
            return Floats(outFeatures * (inFeatures + 1), all =>
                Init.Linear(all.AsSpan(0, outFeatures * inFeatures), all.AsSpan(outFeatures * inFeatures), inFeatures, generator));
        }

        if (Match(Multinomial(), how) is { } multinomial)
            return Categories(tensors, name, (int)Number(multinomial["n"]), multinomial["turns"] is { Length: > 0 }, generator);
        Assert.Fail($"{name}: no draw of ours is known for \"{how}\".");
        return [];
    }

    // [rows, columns] as recorded; drawn all at once, or a column at a time ("draws in turn").
    private static double[] Categories(RecordedTensors tensors, string name, int samples, bool inTurn, TorchGenerator generator)
    {
        var (rows, categories) = ((int)tensors.Shape("probs")[0], (int)tensors.Shape("probs")[1]);
        var columns = (int)tensors.Shape(name)[1];
        var probabilities = tensors.Floats("probs");
        var drawn = new int[rows * columns];
        (inTurn || samples == columns).Should().BeTrue("'{0}' holds {1} columns", name, columns);
        for (var column = 0; column < columns; column += samples)
        {
            for (var row = 0; row < rows; row++)
                generator.Multinomial(probabilities.AsSpan(row * categories, categories), drawn.AsSpan(row * columns + column, samples));
        }

        return Array.ConvertAll(drawn, n => (double)n);
    }

    private static Dictionary<string, string>? Match(Regex pattern, string how) =>
        pattern.Match(how) is { Success: true } match ? match.Groups.Values.ToDictionary(g => g.Name, g => g.Value) : null;

    private static int[] Sizes(string shape) =>
        shape.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(n => int.Parse(n, CultureInfo.InvariantCulture)).ToArray();

    private static int Product(string shape) => Sizes(shape).Aggregate(1, (product, size) => product * size);

    /// <summary>A Python number, a fraction of two, or <c>sqrt(number)</c>.</summary>
    private static double Number(string text)
    {
        if (text.StartsWith("sqrt(", StringComparison.Ordinal))
            return Math.Sqrt(Number(text[5..^1]));
        var parts = text.Split('/');
        return parts.Select(p => double.Parse(p.Trim(), CultureInfo.InvariantCulture)).Aggregate((numerator, denominator) => numerator / denominator);
    }

    [GeneratedRegex(@"^torch\.(?<call>rand|randn)\((?<shape>[\d, ]+?)(, dtype=(torch\.)?(?<type>float64))?\)")]
    private static partial Regex TorchFill();

    [GeneratedRegex(@"^torch\.randperm\((?<n>\d+)\)(\[:(?<head>\d+)\])?")]
    private static partial Regex RandPerm();

    [GeneratedRegex(@"^torch\.randint\((?<low>-?\d+), *(?<high>-?\d+), *\((?<shape>[\d, ]+)\)\)")]
    private static partial Regex RandInt();

    [GeneratedRegex(@"kaiming_uniform_\(empty\((?<shape>[\d, ]+)\), a=(?<a>sqrt\([\d.]+\)|[\d.]+)\)")]
    private static partial Regex Kaiming();

    [GeneratedRegex(@"xavier_uniform_\(empty\((?<shape>[\d, ]+)\)\)")]
    private static partial Regex Xavier();

    [GeneratedRegex(@"^(torch\.)?empty\((?<shape>[\d, ]+)\)\.normal_\((?<mean>[-\d./e]+), *(?<std>[-\d./e]+)\)")]
    private static partial Regex NormalInPlace();

    [GeneratedRegex(@"init\.normal_\(empty\((?<shape>[\d, ]+)\), std=(?<std>[\d./e-]+)\)")]
    private static partial Regex InitNormal();

    [GeneratedRegex(@"F\.dropout\(ones\((?<shape>[\d, ]+)\), *(?<p>[\d./e-]+)\)")]
    private static partial Regex Dropout();

    [GeneratedRegex(@"nn\.Embedding\((?<shape>[\d, ]+)\)\.weight")]
    private static partial Regex EmbeddingModule();

    [GeneratedRegex(@"nn\.Linear\((?<in>\d+), *(?<out>\d+)\): weight then bias")]
    private static partial Regex LinearModule();

    [GeneratedRegex(@"^torch\.multinomial\(probs \[[\d, ]+\], *(?<n>\d+)\)(?<turns>, .*in turn)?")]
    private static partial Regex Multinomial();
}
