using System.Diagnostics;
using ChatGLM.Batching;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Models;

/// <summary>What a model does, timed beside the ceilings. Every figure is the best of a few rounds.</summary>
internal sealed class ModelBenchmark(Backend backend, IDeviceCeilings ceilings, int rounds)
{
    private const int DecodedTokens = 12;
    private const int PromptTokens = 8;
    private const int TrainBatch = 4;
    private const int TrainTokens = 128;

    /// <summary>Tokens per second, one at a time; the ceiling is the read bandwidth over the bytes of the weights that a token reads.</summary>
    public BenchmarkRow Decode(string name, ChatGLMForConditionalGeneration model)
    {
        var bytes = Linears(model).Sum(linear => linear.Weight.Tensors.Sum(part => part.Tensor.ByteLength));
        var (one, many) = (double.PositiveInfinity, double.PositiveInfinity);
        for (var round = 0; round <= rounds; round++)
        {
            // The best of each by itself: the best difference would be that of a lucky answer and an unlucky prompt.
            ceilings.Refresh();
            one = Math.Min(one, Generate(model, PromptTokens, 1));
            many = Math.Min(many, Generate(model, PromptTokens, 1 + DecodedTokens));
        }

        return BenchmarkRow.Rate(name, DecodedTokens / (many - one), "tokens/s", ceilings.ReadBandwidth * 1e9 / bytes);
    }

    /// <summary>Tokens per second of so many answers at once, together. It has no ceiling: what counts is how often it is the rate of one answer.</summary>
    public double DecodeBatch(ChatGLMForConditionalGeneration model, int requests)
    {
        using var engine = new BatchingEngine(model, new BatchingOptions { MaxRequests = requests, ReusesPrefixes = false });
        var (one, many) = (double.PositiveInfinity, double.PositiveInfinity);
        for (var round = 0; round <= rounds; round++)
        {
            one = Math.Min(one, Seconds(1));
            many = Math.Min(many, Seconds(1 + DecodedTokens));
        }

        return requests * DecodedTokens / (many - one);

        double Seconds(int tokens)
        {
            var config = new GenerationConfig { MaxNewTokens = tokens, EosTokenId = [] };
            var start = Stopwatch.GetTimestamp();
            var answers = Enumerable.Range(0, requests).Select(i => engine.Submit(new BatchRequest { PromptIds = [.. Prompt(model, PromptTokens, i)], Config = config }).Completion).ToArray();
            Task.WaitAll(answers);
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    /// <summary>Tokens per second of a prompt; the ceiling is the arithmetic peak over the operations of a token.</summary>
    public BenchmarkRow Prefill(string name, ChatGLMForConditionalGeneration model, int tokens, int bits)
    {
        // The output layer scores the last position only.
        var operations = 2.0 * Linears(model).Where(linear => linear.OutFeatures != model.Config.VocabularySize).Sum(linear => (double)linear.OutFeatures * linear.InFeatures);
        var best = double.PositiveInfinity;
        for (var round = 0; round <= Math.Min(rounds, 2); round++)
        {
            ceilings.Refresh();
            var seconds = Generate(model, tokens, 1);
            if (round > 0)
                best = Math.Min(best, seconds);
        }

        return BenchmarkRow.Rate(name, tokens / best, "tokens/s", (bits == 8 ? ceilings.Bytes : bits == 4 ? ceilings.Nibbles : ceilings.Fma) * 1e9 / operations);
    }

    /// <summary>LoRA of rank 8 on the attention's projection: tokens per second of a step of 4 x 128. Ceiling: forward and gradient of the inputs, at the float32 peak.</summary>
    public BenchmarkRow TrainLora(string name, ChatGLMForConditionalGeneration model)
    {
        var peft = model.GetPeftModel(new LoraConfig { R = 8, LoraAlpha = 32, TargetModules = ["query_key_value"] });
        peft.Train();
        return Train(name, model, inputs => peft.Forward(inputs), peft.NamedParameters().Select(p => p.Parameter).Where(p => p.RequiresGrad).ToArray());
    }

    /// <summary>P-Tuning v2: the same over the prefix that the model was made with.</summary>
    public BenchmarkRow TrainPrefix(string name, ChatGLMForConditionalGeneration model)
    {
        model.Train();
        return Train(name, model, model.Forward, model.NamedParameters().Select(p => p.Parameter).Where(p => p.RequiresGrad).ToArray());
    }

    /// <summary>Seconds from a folder to the first token; the least is reading its weights once, from the page cache.</summary>
    public BenchmarkRow LoadFirstToken(string name, string folder)
    {
        var (load, read) = (double.PositiveInfinity, double.PositiveInfinity);
        for (var round = 0; round <= Math.Min(rounds, 2); round++)
        {
            var start = Stopwatch.GetTimestamp();
            using (var model = AutoModel.FromPretrained(folder, new ModelOptions { Backend = backend }))
                Generate(model, PromptTokens, 1);
            load = Math.Min(load, Stopwatch.GetElapsedTime(start).TotalSeconds);
            start = Stopwatch.GetTimestamp();
            foreach (var path in Directory.GetFiles(folder, "*.safetensors"))
            {
                var file = MappedFile.Open(path);
                using (var all = Tensor.FromMapped(file, 0, [checked((int)(file.ByteLength / 4096)), 4096], DType.UInt8, backend))
                    ReadBandwidthOf(all);
                file.Release();
            }

            read = Math.Min(read, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return BenchmarkRow.Time(name, load, read);
    }

    private void ReadBandwidthOf(Tensor tensor)
    {
        // On another device the file has been read, and copied there, when the tensor exists.
        if (backend is CpuBackend cpu)
            Ceilings.ReadBandwidth.ReadAll(cpu, tensor);
    }

    private BenchmarkRow Train(string name, ChatGLMForConditionalGeneration model, Func<ModelInputs, ModelOutput> forward, IReadOnlyList<Tensor> parameters)
    {
        var operations = 4.0 * Linears(model).Sum(linear => (double)linear.OutFeatures * linear.InFeatures);
        using var optimizer = new AdamW(parameters, new AdamWOptions { LearningRate = 1e-4 });
        var ids = Enumerable.Range(0, TrainBatch).SelectMany(row => Prompt(model, TrainTokens, row)).Select(id => (long)id).ToArray();
        var best = double.PositiveInfinity;
        for (var round = 0; round <= Math.Min(rounds, 2); round++)
        {
            ceilings.Refresh();
            var start = Stopwatch.GetTimestamp();
            using (var scope = new TensorScope())
            {
                var tokens = Tensor.From(ids, [TrainBatch, TrainTokens], backend);
                using var output = forward(new ModelInputs { InputIds = tokens, Labels = tokens, LossOnly = true, UseCache = false });
                output.Loss!.Backward();
                optimizer.Step();
                optimizer.ZeroGrad();
            }

            if (round > 0)
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return BenchmarkRow.Rate(name, TrainBatch * TrainTokens / best, "tokens/s", ceilings.Fma * 1e9 / operations);
    }

    private static IEnumerable<Linear> Linears(Module model) => model.NamedModules().Select(m => m.Module).OfType<Linear>().Where(linear => linear.GetType() == typeof(Linear));

    private static double Generate(ChatGLMForConditionalGeneration model, int promptTokens, int newTokens)
    {
        var prompt = Prompt(model, promptTokens, 0).ToArray();
        var config = new GenerationConfig { MaxNewTokens = newTokens, EosTokenId = [] };
        var start = Stopwatch.GetTimestamp();
        model.Generate(prompt, config);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Some ids; ChatGLM-6B's prompt ends with the two that its mask is made by.</summary>
    private static IEnumerable<int> Prompt(ChatGLMForConditionalGeneration model, int tokens, int seed)
    {
        var ids = Enumerable.Range(0, tokens).Select(i => 1000 + ((i + (seed * 37)) * 7919 % 4000));
        return model.Config is ChatGLM6BConfig first ? ids.Take(tokens - 2).Append(first.GMaskTokenId).Append(first.BosTokenId) : ids;
    }
}
