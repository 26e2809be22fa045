using System.CommandLine;
using System.Diagnostics;

namespace ChatGLM.Benchmarks.Ceilings;

/// <summary>
/// The quick mode: measures what the processor allows and what the kernels reach in one run, in turns, so that other load on the machine falls on both, and prints the ratio of the
/// best turns.
/// </summary>
internal static class CeilingsCommand
{
    public static Command Create()
    {
        var rounds = new Option<int>("--rounds") { Description = "How often everything is measured; the best round counts.", DefaultValueFactory = _ => 7 };
        var threads = new Option<int>("--threads") { Description = "How many threads compute.", DefaultValueFactory = _ => 2 };
        var vectorBits = new Option<int>("--vector-bits") { Description = "The widest vectors to use: 512, 256, 128 or 0 for none.", DefaultValueFactory = _ => 512 };
        var filter = new Option<string>("--only") { Description = "Measure only rows whose name contains this, and their ceilings.", DefaultValueFactory = _ => "" };
        var exact = new Option<bool>("--float-activations") { Description = "Do not round activations where they meet a quantized weight." };
        var json = new Option<FileInfo?>("--json") { Description = "Write the rows to this file as well." };
        var command = new Command("ceilings", "Read bandwidth and FMA peak of this machine, and how near the kernels come to them.") { rounds, threads, vectorBits, filter, exact, json };
        command.SetAction(parsed =>
        {
            var options = new Tensors.CpuBackendOptions { Threads = parsed.GetValue(threads), MaxVectorBits = parsed.GetValue(vectorBits), RoundsActivations = !parsed.GetValue(exact) };
            var rows = Measure(options, parsed.GetValue(rounds), parsed.GetValue(filter)!);
            ResultTable.Print(rows, Console.Out);
            if (parsed.GetValue(json) is { } file)
                ResultTable.WriteJson(rows, file);
        });
        return command;
    }

    private static IEnumerable<Measurement> QuantizedRows(Tensors.CpuBackend backend, ColdWeights dense)
    {
        foreach (var format in new Tensors.GroupQuantization[] { new(4, 32), new(4, 64), new(4, 128), new(4, 32, HasMinimum: true), new(8, 32), new(8, 128) })
        {
            foreach (var row in Quantized($"int{format.Bits}g{format.GroupSize}{(format.HasMinimum ? "m" : "")}", matrix => backend.Quantize(matrix, format)))
                yield return row;
        }

        foreach (var bits in new[] { 4, 8 })
        {
            var format = new Tensors.RowQuantization(bits, Tensors.DType.Float16, DividesByStoredScale: false);
            foreach (var row in Quantized($"int{bits}row", matrix => backend.Quantize(matrix, format)))
                yield return row;
        }

        IEnumerable<Measurement> Quantized(string name, Func<Tensors.Tensor, Tensors.LinearWeight> quantize) =>
            new[] { 1, 4, 128, 512 }.Select(rows => new QuantizedLinearMeasurement(rows == 1 ? $"matvec.{name}" : $"linear{rows}.{name}", backend, dense, quantize, rows));
    }

    private static IEnumerable<Measurement> TrainingRows(Tensors.CpuBackend backend, ColdWeights bfloat16, ColdWeights float16)
    {
        (string Name, ColdWeights Dense, Func<Tensors.Tensor, Tensors.LinearWeight> Quantize)[] formats =
        [
            ("bf16", bfloat16, matrix => new Tensors.DenseWeight(matrix)),
            ("f16", float16, matrix => new Tensors.DenseWeight(matrix)),
            ("int4g32", bfloat16, matrix => backend.Quantize(matrix, new Tensors.GroupQuantization(4, 32))),
            ("int8g32", bfloat16, matrix => backend.Quantize(matrix, new Tensors.GroupQuantization(8, 32))),
            ("int4row", bfloat16, matrix => backend.Quantize(matrix, new Tensors.RowQuantization(4, Tensors.DType.Float16, DividesByStoredScale: false))),
            ("int8row", bfloat16, matrix => backend.Quantize(matrix, new Tensors.RowQuantization(8, Tensors.DType.Float16, DividesByStoredScale: false))),
        ];
        foreach (var (name, dense, quantize) in formats)
        {
            yield return new TrainingLinearMeasurement($"train512.{name}.forward", backend, dense, quantize, isBackward: false);
            yield return new TrainingLinearMeasurement($"train512.{name}.backward", backend, dense, quantize, isBackward: true);
        }
    }

    private static IReadOnlyList<ResultRow> Measure(Tensors.CpuBackendOptions options, int rounds, string filter)
    {
        // A new kind of row is one more entry here.
        var backend = new Tensors.CpuBackend(options);
        using var bfloat16 = new ColdWeights(backend, Tensors.DType.BFloat16);
        using var float16 = new ColdWeights(backend, Tensors.DType.Float16);
        Measurement[] all =
        [
            new ReadBandwidth(backend, bfloat16),
            new FmaPeak(backend),
            new GemmMeasurement("gemm.f32", backend, 2048),
            new GemmMeasurement("gemm256.f32", backend, 256),
            new GemmMeasurement("gemm64.f32", backend, 64),
            new GemmMeasurement("gemm32.f32", backend, 32),
            new LinearMeasurement("matvec.bf16", backend, bfloat16, rows: 1),
            new LinearMeasurement("matvec.f16", backend, float16, rows: 1),
            new LinearMeasurement("linear4.bf16", backend, bfloat16, rows: 4),
            new LinearMeasurement("linear8.f16", backend, float16, rows: 8),
            new LinearMeasurement("linear32.bf16", backend, bfloat16, rows: 32),
            new LinearMeasurement("linear128.bf16", backend, bfloat16, rows: 128),
            .. QuantizedRows(backend, bfloat16),
            .. TrainingRows(backend, bfloat16, float16),
        ];
        var chosen = all.Where(row => row.Ceiling is null || row.Name.Contains(filter, StringComparison.Ordinal)).ToArray();
        var best = new double[chosen.Length];
        for (var round = -1; round < rounds; round++)
        {
            for (var i = 0; i < chosen.Length; i++)
            {
                var start = Stopwatch.GetTimestamp();
                var work = chosen[i].Run();
                var rate = work / Stopwatch.GetElapsedTime(start).TotalSeconds;
                if (round >= 0) // the first one warms up
                    best[i] = Math.Max(best[i], rate);
            }
        }

        var values = chosen.Select((row, i) => (row.Name, Value: best[i])).ToDictionary(row => row.Name, row => row.Value);
        var rows = chosen.Select((row, i) => new ResultRow(row.Name, best[i], row.Unit, row.Ceiling, row.Ceiling is null ? null : best[i] / values[row.Ceiling])).ToArray();
        foreach (var row in all)
            row.Dispose();
        return rows;
    }
}
