using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

/// <summary>The same seed gives the same bits, whatever the number of threads and whoever else uses the model. The models are wide enough for every kernel to share its work out.</summary>
public sealed class DeterminismTests
{
    private const int Steps = 20;

    public static TheoryData<int, DType> Kinds => new() { { 1, DType.Float32 }, { 2, DType.Float32 }, { 2, DType.BFloat16 } };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Twenty_training_steps_give_the_same_bits_with_any_number_of_threads(int generation, DType dtype)
    {
        var alone = Train(generation, dtype, threads: 1);
        foreach (var threads in new[] { 2, 3 })
        {
            var shared = Train(generation, dtype, threads);
            shared.Losses.Should().Equal(alone.Losses, "{0} threads", threads);
            shared.Weights.Should().Equal(alone.Weights, "{0} threads", threads);
        }

        alone.Losses[^1].Should().BeLessThan(alone.Losses[0]);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Generation_gives_the_same_tokens_with_any_number_of_threads(int generation, DType dtype)
    {
        var alone = Generate(generation, dtype, threads: 1);
        Generate(generation, dtype, threads: 2).Should().Equal(alone);
        Generate(generation, dtype, threads: 3).Should().Equal(alone);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task One_model_answers_several_threads_at_once(int generation)
    {
        using var model = Create(generation, DType.BFloat16, threads: 2);
        var expected = Enumerable.Range(0, 4).Select(i => Answer(model, i)).ToArray();
        // A fresh model, so that the rotary table grows while others read it.
        using var fresh = Create(generation, DType.BFloat16, threads: 2);
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(() => Answer(fresh, i % 4))));
        for (var i = 0; i < answers.Length; i++)
            answers[i].Should().Equal(expected[i % 4]);
    }

    private static ChatGLMForConditionalGeneration Create(int generation, DType dtype, int threads)
    {
        ChatGLMConfig config = generation == 1
            ? TinyModels.First with { VocabSize = 1000, HiddenSize = 256, NumAttentionHeads = 8, InnerHiddenSize = 640, MaxSequenceLength = 1024 }
            : TinyModels.Second with { PaddedVocabSize = 1000, HiddenSize = 256, NumAttentionHeads = 8, KvChannels = 32, FfnHiddenSize = 640, SeqLength = 1024, HiddenDropout = 0.1, AttentionDropout = 0.1 };
        return AutoModel.FromConfig(config, new ModelOptions { Dtype = dtype, Seed = 11, Backend = new CpuBackend(new CpuBackendOptions { Threads = threads }) });
    }

    private static (List<float> Losses, byte[] Weights) Train(int generation, DType dtype, int threads)
    {
        using var model = Create(generation, dtype, threads);
        model.Train();
        var parameters = model.NamedParameters().Select(p => p.Parameter).ToArray();
        using var optimizer = new AdamW(parameters, new AdamWOptions { LearningRate = 1e-3 });
        var losses = new List<float>();
        for (var step = 0; step < Steps; step++)
        {
            using var scope = new TensorScope();
            var ids = Tensor.From(Prompt(95, step % 2).Concat(Prompt(95, 5)).Select(i => (long)i).ToArray(), [2, 95], model.Backend);
            var loss = model.Forward(new ModelInputs { InputIds = ids, Labels = ids }).Loss!;
            loss.Backward();
            GradientClipping.ClipNorm(parameters, 1);
            optimizer.Step();
            optimizer.ZeroGrad();
            losses.Add(loss.Item());
        }

        return (losses, parameters.SelectMany(Bytes).ToArray());
    }

    private static byte[] Bytes(Tensor tensor)
    {
        var bytes = new byte[tensor.ByteLength];
        tensor.Read(0, bytes);
        return bytes;
    }

    private static List<int> Generate(int generation, DType dtype, int threads)
    {
        using var model = Create(generation, dtype, threads);
        var tokens = new List<int>();
        foreach (var options in new[]
        {
            new GenerationConfig { MaxNewTokens = 24, EosTokenId = [] },
            new GenerationConfig { MaxNewTokens = 24, EosTokenId = [], DoSample = true, TopP = 0.9, Seed = 3 },
            new GenerationConfig { MaxNewTokens = 8, EosTokenId = [], NumBeams = 3 },
        })
        {
            tokens.AddRange(model.Generate(Prompt(520, 1), options).Completion(0).ToArray());
        }

        return tokens;
    }

    private static int[] Answer(ChatGLMForConditionalGeneration model, int which) =>
        model.Generate(Prompt(40 + (200 * which), which), new GenerationConfig { MaxNewTokens = 12, EosTokenId = [], DoSample = true, Seed = which }).Completion(0).ToArray();

    /// <summary>A prompt that both generations understand.</summary>
    private static int[] Prompt(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length - 2).Select(_ => random.Next(100, 1000)), 93, 90];
    }
}
