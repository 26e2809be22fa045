using System.Diagnostics;
using System.Text.Json;
using ChatGLM.Benchmarks.Models;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Snapshots;

/// <summary>One measurement of a snapshot, in a process of its own: what it held at most belongs to nothing else.</summary>
/// <param name="Folder">The snapshot.</param>
/// <param name="Work">What is done with it.</param>
/// <param name="Bits">How it is quantized while it is loaded; 0 for as it is.</param>
internal sealed record SnapshotStep(string Folder, SnapshotWork Work, int Bits)
{
    private const int PromptTokens = 32;
    private const int AnswerTokens = 16;
    private const int TrainTokens = 256;

    /// <summary>Does it, and writes the rows as JSON lines.</summary>
    public void Run(TextWriter output)
    {
        var options = Bits == 0 ? new ModelOptions() : new ModelOptions { Quantization = new QuantizationConfig { Bits = Bits } };
        var clock = Stopwatch.StartNew();
        using var model = AutoModel.FromPretrained(Folder, options);
        Write(output, new BenchmarkRow("load", clock.Elapsed.TotalSeconds, "s"));
        if (Work == SnapshotWork.Train)
            Train(model, output);
        else
            Answer(model, output, clock);
        Write(output, new BenchmarkRow("memory.anonymous", PeakMemory.AnonymousGibibytes, "GiB"));
        Write(output, new BenchmarkRow("memory.peak", PeakMemory.Gibibytes, "GiB"));
    }

    private static void Answer(ChatGLMForConditionalGeneration model, TextWriter output, Stopwatch clock)
    {
        var times = new List<double>();
        model.Generate(
            new ModelInputs { InputIds = Tensor.From(Ids(model, PromptTokens), [1, PromptTokens], model.Backend) },
            new GenerationConfig { MaxNewTokens = 1 + AnswerTokens, EosTokenId = [] },
            onToken: (_, _) => times.Add(clock.Elapsed.TotalSeconds));
        Write(output, new BenchmarkRow("load.first_token", times[0], "s"));
        // The fastest half: others may have had the processor meanwhile.
        var tokens = times.Zip(times.Skip(1), (a, b) => b - a).Order().Take(AnswerTokens / 2).ToArray();
        var bytes = model.NamedModules().Select(m => m.Module).OfType<Linear>().Sum(linear => linear.Weight.Tensors.Sum(part => part.Tensor.ByteLength));
        Write(output, new BenchmarkRow("decode", 1 / tokens.Average(), "tokens/s"));
        Write(output, new BenchmarkRow("decode.bandwidth", bytes / tokens.Average() / 1e9, "GB/s"));
        Write(output, new BenchmarkRow("decode.weights", bytes / (double)(1 << 30), "GiB"));
    }

    private static void Train(ChatGLMForConditionalGeneration model, TextWriter output)
    {
        var peft = model.GetPeftModel(new LoraConfig { R = 8, LoraAlpha = 32, TargetModules = ["query_key_value"] });
        peft.Train();
        model.GradientCheckpointing = true;
        using var optimizer = new AdamW([.. peft.NamedParameters().Select(p => p.Parameter).Where(p => p.RequiresGrad)], new AdamWOptions { LearningRate = 1e-4 });
        var clock = new Stopwatch();
        for (var step = 0; step < 2; step++)
        {
            clock.Restart();
            using var scope = new TensorScope();
            var tokens = Tensor.From(Ids(model, TrainTokens), [1, TrainTokens], model.Backend);
            using var result = peft.Forward(new ModelInputs { InputIds = tokens, Labels = tokens, UseCache = false });
            result.Loss!.Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
        }

        Write(output, new BenchmarkRow("train.qlora", TrainTokens / clock.Elapsed.TotalSeconds, "tokens/s"));
    }

    private static long[] Ids(ChatGLMForConditionalGeneration model, int count)
    {
        var ids = Enumerable.Range(0, count).Select(i => 1000L + (i * 7919 % 4000)).ToArray();
        if (model.Config is ChatGLM6BConfig first)
            (ids[^2], ids[^1]) = (first.GMaskTokenId, first.BosTokenId);
        return ids;
    }

    private static void Write(TextWriter output, BenchmarkRow row)
    {
        output.WriteLine(JsonSerializer.Serialize(row));
        output.Flush();
    }
}

/// <summary>What a <see cref="SnapshotStep"/> does.</summary>
internal enum SnapshotWork
{
    /// <summary>Answers a prompt of 32 tokens with 16.</summary>
    Answer,

    /// <summary>Two steps of LoRA, 1 x 256 tokens, with gradient checkpointing.</summary>
    Train,
}
