using ChatGLM.Batching;
using ChatGLM.Core.Tests.Models;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Batching;

/// <summary>Small models with room for longer prompts, and requests for them.</summary>
public static class BatchModels
{
    public enum Weights
    {
        Float32,
        BFloat16,
        Rows4,
        Groups4,
    }

    public static TheoryData<int, Weights> All
    {
        get
        {
            var data = new TheoryData<int, Weights>();
            foreach (var generation in new[] { 1, 2 })
            {
                foreach (var weights in Enum.GetValues<Weights>())
                    data.Add(generation, weights);
            }

            return data;
        }
    }

    public static ChatGLMForConditionalGeneration Create(int generation, Weights weights = Weights.Float32, int threads = 2)
    {
        ChatGLMConfig config = generation == 1 ? TinyModels.First with { MaxSequenceLength = 512 } : TinyModels.Second with { SeqLength = 512 };
        var model = AutoModel.FromConfig(config, new ModelOptions
        {
            Backend = new CpuBackend(new CpuBackendOptions { Threads = threads }),
            Seed = 7,
            Dtype = weights == Weights.Float32 ? DType.Float32 : DType.BFloat16,
        });
        if (weights == Weights.Groups4)
            model.Quantize(new QuantizationConfig());
        else if (weights == Weights.Rows4)
            model.Quantize(4);
        return model;
    }

    public static BufferPool MemoryOf(ChatGLMForConditionalGeneration model) => ((CpuBackend)model.Backend).Memory;

    /// <summary>A prompt that both generations understand: some words, [gMASK], sop.</summary>
    public static int[] Prompt(Random random, int words) => [.. Enumerable.Range(0, words).Select(_ => random.Next(4, 90)), 93, 90];

    /// <summary>Requests of different lengths, greedy and sampled in turn.</summary>
    public static List<BatchRequest> Requests(int seed, int count, int mostWords = 70, int mostTokens = 40)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i => new BatchRequest
        {
            PromptIds = Prompt(random, random.Next(1, mostWords)),
            Config = new GenerationConfig
            {
                MaxNewTokens = random.Next(1, mostTokens), EosTokenId = [random.Next(4, 90)], DoSample = i % 2 == 0, Seed = i, Temperature = 1.5, TopP = 0.95, TopK = 0,
                RepetitionPenalty = i % 3 == 0 ? 1.2 : 1,
            },
        })];
    }

    /// <summary>What the model's own generate says, one request at a time.</summary>
    public static int[] Alone(ChatGLMForConditionalGeneration model, BatchRequest request)
    {
        int[] prompt = [.. request.PromptIds];
        return model.Generate(prompt, request.Config).Completion(0).ToArray();
    }

    public static async Task<int[]> TokensAsync(BatchedGeneration answer) => (await answer.Completion.WaitAsync(TimeSpan.FromSeconds(60))).Generation.Completion(0).ToArray();
}
