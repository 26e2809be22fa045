using System.CommandLine;
using System.Diagnostics;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Models;

/// <summary>What <c>benchmarks/run</c> calls: whole models with random weights, each figure beside the ceiling of the machine that bounds it, measured in the same run.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var shape = new Option<string>("--shape") { Description = "The model's shape.", DefaultValueFactory = _ => ModelShape.ChatGLM2 };
        shape.AcceptOnlyFromAmong(ModelShape.ChatGLM2, ModelShape.ChatGLM6B, ModelShape.Small);
        var layers = new Option<int>("--layers") { Description = "Transformer layers, 28 for the whole model: every layer costs the same, so a few tell as much in less time and memory.", DefaultValueFactory = _ => 2 };
        var device = new Option<string>("--device") { Description = "What computes: the processor's own kernels, libtorch on the processor, or libtorch on the first GPU.", DefaultValueFactory = _ => "cpu" };
        device.AcceptOnlyFromAmong(BenchmarkDevice.Names);
        var threads = new Option<int>("--threads") { Description = "How many threads compute; 0 for one per core.", DefaultValueFactory = _ => 0 };
        var rounds = new Option<int>("--rounds") { Description = "How often everything is measured; the best round counts.", DefaultValueFactory = _ => 3 };
        var only = new Option<string>("--only") { Description = "Measure only rows whose name contains this.", DefaultValueFactory = _ => "" };
        var json = new Option<FileInfo?>("--json") { Description = "Write the rows to this file as well: a list of { name, value, unit, ceiling, ratio }." };
        var command = new Command("run", "Decoding, prompts, training and loading of a model with random weights, beside what the machine allows.") { shape, layers, device, threads, rounds, only, json };
        command.SetAction(parsed =>
        {
            BenchmarkDevice opened;
            try
            {
                opened = BenchmarkDevice.Open(parsed.GetValue(device)!, parsed.GetValue(threads));
            }
            catch (Exception error) when (error is NotSupportedException or ChatGLMException)
            {
                Console.Error.WriteLine(error.Message);
                return 2;
            }

            var run = new Run(parsed.GetValue(shape)!, parsed.GetValue(layers), opened, parsed.GetValue(rounds), parsed.GetValue(only)!);
            run.Measure(Console.Out, parsed.GetValue(json));
            return 0;
        });
        return command;
    }

    private sealed class Run(string shape, int layers, BenchmarkDevice device, int rounds, string only)
    {
        public void Measure(TextWriter output, FileInfo? json)
        {
            var table = new BenchmarkTable(output);
            table.Begin($"{shape}, {layers} of 28 layers, {device.Description}");
            using var ceilings = device.MeasureCeilings();
            var benchmark = new ModelBenchmark(device.Backend, ceilings, rounds);
            Quantized(table, benchmark, 4);
            Quantized(table, benchmark, 8);
            Published(table, benchmark, 4);
            Published(table, benchmark, 8);
            Dense(table, benchmark, DType.Float16, "f16");
            Dense(table, benchmark, DType.BFloat16, "bf16");
            if (Wants("train.ptuning"))
            {
                using var model = Make(new ModelOptions { Dtype = DType.BFloat16, PreSeqLen = 128 });
                table.Add(benchmark.TrainPrefix("train.ptuning", model));
            }

            Sampling(table);
            // Last, because they are measured beside everything else.
            table.Add(new BenchmarkRow("read.bandwidth", ceilings.ReadBandwidth, "GB/s"));
            table.Add(new BenchmarkRow("fma.peak", ceilings.Fma, "GFLOP/s"));
            table.Add(new BenchmarkRow("vnni.peak", ceilings.Bytes, "GOP/s"));
            table.Add(new BenchmarkRow("vnni.peak.int4", ceilings.Nibbles, "GOP/s"));
            table.Add(BenchmarkRow.Rate("gemm.f32", ceilings.Gemm, "GFLOP/s", ceilings.Fma));
            table.Add(new BenchmarkRow("memory.peak", Process.GetCurrentProcess().PeakWorkingSet64 / (double)(1 << 30), "GiB"));
            if (json is not null)
                table.WriteJson(json);
        }

        /// <summary>Choosing a token: greedily, as the reference's chat does, and from the best 50.</summary>
        private void Sampling(BenchmarkTable table)
        {
            var vocabulary = ModelShape.Create(shape, 1).VocabularySize;
            foreach (var (name, config) in new[]
            {
                ("sample.greedy", new GenerationConfig()),
                ("sample.chat", new GenerationConfig { DoSample = true, TopK = 0, TopP = 0.8, Temperature = 0.8 }),
                ("sample.all", new GenerationConfig { DoSample = true, TopK = 0 }),
                ("sample.topk", new GenerationConfig { DoSample = true, TopK = 50, TopP = 0.8, Temperature = 0.8 }),
            })
            {
                if (Wants(name))
                    table.Add(SamplingBenchmark.Measure(name, vocabulary, config, rounds));
            }
        }

        private void Quantized(BenchmarkTable table, ModelBenchmark benchmark, int bits)
        {
            var (decode, prompt) = ($"decode.int{bits}", $"prefill.int{bits}");
            int[] batches = bits == 4 ? [1, 4, 8, 16] : [];
            if (!Wants([decode, $"{prompt}.128", $"{prompt}.512", .. batches.Select(count => $"batch.int{bits}.{count}")]))
                return;
            using var model = Make(new ModelOptions { Dtype = DType.BFloat16, Quantization = new QuantizationConfig { Bits = bits } });
            if (Wants(decode))
                table.Add(benchmark.Decode(decode, model));
            Prompts(table, benchmark, model, prompt, bits);
            var single = 0.0;
            foreach (var count in batches.Where(count => Wants($"batch.int{bits}.{count}")))
            {
                var rate = benchmark.DecodeBatch(model, count);
                single = single == 0 ? rate / count : single;
                table.Add(new BenchmarkRow($"batch.int{bits}.{count}", rate, "tokens/s", Ratio: rate / single));
            }
        }

        /// <summary>The form of the published snapshots, one scale per row; the output layer stays as it is. Products are those of 16-bit numbers, whatever the bits.</summary>
        private void Published(BenchmarkTable table, ModelBenchmark benchmark, int bits)
        {
            var (decode, prompt) = ($"decode.int{bits}row", $"prefill.int{bits}row");
            if (!Wants(decode, $"{prompt}.128", $"{prompt}.512"))
                return;
            using var model = Make(new ModelOptions { Dtype = DType.Float16, QuantizationBit = bits });
            if (Wants(decode))
                table.Add(benchmark.Decode(decode, model));
            Prompts(table, benchmark, model, prompt, bits: 8);
        }

        private void Dense(BenchmarkTable table, ModelBenchmark benchmark, DType dtype, string name)
        {
            var (decode, prompt) = ($"decode.{name}", $"prefill.{name}");
            var isMain = dtype == DType.BFloat16;
            if (!Wants(decode) && !(isMain && Wants($"{prompt}.128", $"{prompt}.512", "train.lora", "load.first_token")))
                return;
            using var model = Make(new ModelOptions { Dtype = dtype });
            if (Wants(decode))
                table.Add(benchmark.Decode(decode, model));
            if (!isMain)
                return;
            Prompts(table, benchmark, model, prompt, bits: 16);
            if (Wants("load.first_token"))
                Load(table, benchmark, model);
            if (Wants("train.lora"))
                table.Add(benchmark.TrainLora("train.lora", model));
        }

        private void Prompts(BenchmarkTable table, ModelBenchmark benchmark, ChatGLMForConditionalGeneration model, string name, int bits)
        {
            foreach (var tokens in new[] { 128, 512 })
            {
                if (Wants($"{name}.{tokens}"))
                    table.Add(benchmark.Prefill($"{name}.{tokens}", model, tokens, bits));
            }
        }

        private static void Load(BenchmarkTable table, ModelBenchmark benchmark, ChatGLMForConditionalGeneration model)
        {
            var folder = Directory.CreateTempSubdirectory("chatglm-benchmark-").FullName;
            try
            {
                model.SavePretrained(folder);
                table.Add(benchmark.LoadFirstToken("load.first_token", folder));
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }

        private ChatGLMForConditionalGeneration Make(ModelOptions options)
        {
            (device.Backend as CpuBackend)?.Memory.Trim(); // what the model before this one left
            return AutoModel.FromConfig(ModelShape.Create(shape, layers), options with { Backend = device.Backend });
        }

        private bool Wants(params IEnumerable<string> names) => names.Any(name => name.Contains(only, StringComparison.Ordinal));
    }
}
