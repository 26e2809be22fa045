using System.CommandLine;
using System.Globalization;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Benchmarks.Models;

/// <summary>What each quantization of a snapshot costs in quality: the error of its weights and scores, and the perplexity of a text.</summary>
internal static class QuantizationCommand
{
    private const int WindowTokens = 256;

    public static Command Create()
    {
        var snapshot = new Option<DirectoryInfo>("--snapshot") { Description = "The snapshot to quantize, not quantized itself.", Required = true };
        var text = new Option<FileInfo>("--text") { Description = "The text to score, UTF-8.", Required = true };
        var command = new Command("quantization", "Bits, weight error, score error and perplexity of every way to quantize a snapshot.") { snapshot, text };
        command.SetAction(parsed => Measure(parsed.GetValue(snapshot)!.FullName, parsed.GetValue(text)!.FullName));
        return command;
    }

    private static void Measure(string snapshot, string text)
    {
        var ids = AutoTokenizer.FromPretrained(snapshot).Encode(File.ReadAllText(text)).Select(id => (long)id).ToArray();
        using var exact = AutoModel.FromPretrained(snapshot);
        var dense = exact.NamedModules().Where(m => m.Module is Linear).ToDictionary(m => m.Name, m => ((Linear)m.Module).Weight);
        var (exactScores, exactPerplexity) = Score(exact, ids);
        Console.WriteLine($"{ids.Length} tokens; perplexity of the snapshot itself {exactPerplexity.ToString("F4", CultureInfo.InvariantCulture)}");
        Console.WriteLine();
        Console.WriteLine("| format | bits/weight | weight error | score error | same first choice | perplexity | with float32 activations: score error | perplexity |");
        Console.WriteLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        foreach (var bits in new[] { 8, 4 })
        {
            Report($"int{bits} row (published)", new ModelOptions { QuantizationBit = bits });
            foreach (var size in new[] { 32, 64, 128 })
            {
                Report($"int{bits} group {size}", new ModelOptions { Quantization = new QuantizationConfig { Bits = bits, GroupSize = size, HeadBits = 0 } });
                if (bits == 4)
                    Report($"int{bits} group {size}, minimum", new ModelOptions { Quantization = new QuantizationConfig { Bits = bits, GroupSize = size, Sym = false, HeadBits = 0 } });
            }
        }

        Report("int4 group 32, head int8", new ModelOptions { Quantization = new QuantizationConfig() });
        Report("int4 group 32, head int4", new ModelOptions { Quantization = new QuantizationConfig { HeadBits = 4 } });

        void Report(string name, ModelOptions options)
        {
            using var model = AutoModel.FromPretrained(snapshot, options);
            var (bits, error) = WeightError(model, dense);
            var (scores, perplexity) = Score(model, ids);
            using var asTheyAre = AutoModel.FromPretrained(snapshot, options with { Backend = new CpuBackend(new CpuBackendOptions { RoundsActivations = false }) });
            var (floatScores, floatPerplexity) = Score(asTheyAre, ids);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {name} | {bits:F2} | {error:P2} | {Difference(scores, exactScores):P2} | {SameChoice(scores, exactScores):P1} | {perplexity:F4} | {Difference(floatScores, exactScores):P2} | {floatPerplexity:F4} |"));
        }
    }

    /// <summary>Bits per weight and the root of the mean squared error over that of the weights, of all quantized layers together.</summary>
    private static (double Bits, double Error) WeightError(PreTrainedModel model, Dictionary<string, LinearWeight> dense)
    {
        var (error, size, bytes, count) = (0.0, 0.0, 0.0, 0.0);
        foreach (var (name, module) in model.NamedModules())
        {
            if (module is not Linear { Weight: not DenseWeight and var weight })
                continue;
            using var scope = new TensorScope();
            var exact = dense[name].Backend.Dequantize(dense[name]).ToArray<float>();
            var values = weight.Backend.Dequantize(weight).ToArray<float>();
            for (var i = 0; i < exact.Length; i++)
            {
                error += Math.Pow(exact[i] - values[i], 2);
                size += Math.Pow(exact[i], 2);
            }

            bytes += weight.Tensors.Sum(part => part.Tensor.ByteLength);
            count += exact.Length;
        }

        return (8 * bytes / count, Math.Sqrt(error / size));
    }

    private static (float[][] Scores, double Perplexity) Score(ChatGLMForConditionalGeneration model, long[] ids)
    {
        using var noGrad = GradMode.NoGrad();
        var (rows, loss) = (new List<float[]>(), 0.0);
        for (var start = 0; start + 1 < ids.Length; start += WindowTokens)
        {
            using var scope = new TensorScope();
            var window = ids[start..Math.Min(ids.Length, start + WindowTokens + 1)];
            using var output = model.Forward(Tensor.From(window[..^1], [1, window.Length - 1], model.Backend));
            var (all, width) = (output.Logits.ToFloatArray(), output.Logits.Shape[2]);
            for (var i = 0; i < window.Length - 1; i++)
            {
                var row = all[(i * width)..((i + 1) * width)];
                var largest = row.Max();
                loss += Math.Log(row.Sum(score => Math.Exp(score - largest))) + largest - row[window[i + 1]];
                rows.Add(row);
            }
        }

        return ([.. rows], Math.Exp(loss / rows.Count));
    }

    private static double Difference(float[][] actual, float[][] expected)
    {
        var (error, size) = (0.0, 0.0);
        foreach (var (a, e) in actual.Zip(expected))
        {
            var mean = e.Average();
            for (var i = 0; i < a.Length; i++)
            {
                error += Math.Pow(a[i] - e[i], 2);
                size += Math.Pow(e[i] - mean, 2);
            }
        }

        return Math.Sqrt(error / size);
    }

    private static double SameChoice(float[][] actual, float[][] expected) =>
        actual.Zip(expected, (a, e) => Array.IndexOf(a, a.Max()) == Array.IndexOf(e, e.Max()) ? 1.0 : 0).Average();
}
