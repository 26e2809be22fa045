using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>How two 4-bit numbers lie in a byte, and a matrix quantized both ways.</summary>
public sealed class Int4PackingTests(ITestOutputHelper output)
{
    [ConformanceTheory("int4_packing"), CasesOf("int4_packing")]
    public void Unpacks_every_pair_of_numbers(string caseName)
    {
        var expected = RecordedTensors.Read(ConformanceFolder.Get(caseName).PathOf("expected.safetensors"));
        var packed = Read(expected, "int4.packed");
        var values = Backend.Default.Dequantize(new RowQuantizedWeight(packed, Tensor.Full([packed.Shape[0]], 1), 4));
        var exact = new Closeness(0);
        exact.Check("int4.values", values.ToFloatArray(), expected.Floats("int4.values"));
        exact.Report(output, "int4.values");
    }

    [ConformanceTheory("int4_packing"), CasesOf("int4_packing")]
    public void Packs_every_pair_of_numbers(string caseName)
    {
        // A row that holds -7 or 7 has scale 1, so quantizing gives its numbers back. -8 is what no quantizer makes: those rows are left out.
        var expected = RecordedTensors.Read(ConformanceFolder.Get(caseName).PathOf("expected.safetensors"));
        var shape = expected.Shape("int4.values");
        var (values, packed) = (expected.Floats("int4.values").Chunk((int)shape[1]).ToArray(), expected.Longs("int4.packed").Chunk((int)shape[1] / 2).ToArray());
        var pairs = 0;
        for (var row = 0; row < values.Length; row++)
        {
            // Each pair in a row of its own, with 7 behind it to fix the scale.
            for (var i = 0; i < values[row].Length; i += 2)
            {
                if (values[row][i] < -7 || values[row][i + 1] < -7)
                    continue;
                var made = Backend.Default.Quantize(Tensor.From([values[row][i], values[row][i + 1], 7f, 0f], [1, 4]), new RowQuantization(4, DType.Float32, DividesByStoredScale: false));
                ((long)made.Weight.ToArray<sbyte>()[0]).Should().Be(packed[row][i / 2], "({0}, {1}) is packed so", values[row][i], values[row][i + 1]);
                pairs++;
            }
        }

        pairs.Should().BePositive();
        output.WriteLine($"{pairs} pairs packed, no difference");
    }

    [ConformanceTheory("int4_packing"), CasesOf("int4_packing")]
    public void Quantizes_a_matrix_to_the_recorded_integers(string caseName)
    {
        var expected = RecordedTensors.Read(ConformanceFolder.Get(caseName).PathOf("expected.safetensors"));
        var exact = new Closeness(0);
        foreach (var bits in new[] { 8, 4 })
        {
            var made = Backend.Default.Quantize(Read(expected, "weight"), new RowQuantization(bits, DType.Float32, DividesByStoredScale: false));
            made.Weight.ToArray<sbyte>().Select(b => (long)b).Should().Equal(expected.Longs($"q{bits}.stored"));
            exact.Check($"q{bits}.scale", made.Scale.ToFloatArray(), expected.Floats($"q{bits}.scale"));
            var ones = new RowQuantizedWeight(made.Weight, Tensor.Full([made.OutFeatures], 1), bits);
            exact.Check($"q{bits}.int", Backend.Default.Dequantize(ones).ToFloatArray(), expected.Floats($"q{bits}.int"));
            exact.Check($"q{bits}.dequantized", Backend.Default.Dequantize(made).ToFloatArray(), expected.Floats($"q{bits}.dequantized"));
        }

        exact.Report(output, "scales, integers and dequantized numbers");
    }

    private static Tensor Read(RecordedTensors tensors, string name)
    {
        var shape = new Shape(Array.ConvertAll(tensors.Shape(name), n => (int)n));
        return tensors.DType(name) == "I8"
            ? Tensor.From(Array.ConvertAll(tensors.Longs(name), n => (sbyte)n), shape)
            : Tensor.From(tensors.Floats(name), shape);
    }
}
