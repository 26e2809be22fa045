using ChatGLM.Batching;
using ChatGLM.Core.Tests.Batching;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

/// <summary>Caches that hold keys and values in half precision or in 8 bits.</summary>
public sealed class CacheFormatTests
{
    private static readonly GenerationConfig Greedy = new() { MaxNewTokens = 45, EosTokenId = [] };

    public static TheoryData<int, KeyValueFormat> All => new()
    {
        { 1, KeyValueFormat.Float16 }, { 2, KeyValueFormat.Float16 }, { 1, KeyValueFormat.Int8 }, { 2, KeyValueFormat.Int8 },
    };

    [Theory]
    [MemberData(nameof(All))]
    public async Task Generate_gives_the_bits_that_an_engine_gives(int generation, KeyValueFormat format)
    {
        using var model = BatchModels.Create(generation, BatchModels.Weights.Groups4);
        model.CacheFormat = format;
        var prompt = BatchModels.Prompt(new Random(3), 40);
        var (own, engines) = (new Recorder(), new Recorder());
        model.Generate(TinyInputs(model, prompt), Greedy, [own]);
        using var engine = new BatchingEngine(model);
        await engine.Submit(new BatchRequest { PromptIds = prompt, Config = Greedy, Processors = [engines] }).Completion;
        own.Scores.Should().HaveCount(45);
        for (var step = 0; step < 45; step++)
            own.Scores[step].Should().Equal(engines.Scores[step], "token {0}", step);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void It_holds_nearly_what_was_computed_in_less_memory_and_gives_it_back(int generation, KeyValueFormat format)
    {
        using var model = BatchModels.Create(generation);
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var inputs = TinyInputs(model, BatchModels.Prompt(new Random(5), 61));
        using var exact = model.Forward(inputs with { UseCache = true }).PastKeyValues!;
        var buffers = BatchModels.MemoryOf(model).LoanedBuffers;
        model.CacheFormat = format;
        var output = model.Forward(inputs with { UseCache = true });
        using (var cache = output.PastKeyValues!)
        {
            (cache.Format, cache.Length, cache.Batch, cache.Capacity).Should().Be((format, 63, 1, 64));
            cache.ByteLength.Should().BeLessThan((long)(exact.ByteLength * (format == KeyValueFormat.Float16 ? 0.51 : 0.4)));
            for (var layer = 0; layer < 2; layer++)
            {
                var (found, expected) = (cache.Export(layer), exact.Export(layer));
                found.Key.Shape.Should().Be(expected.Key.Shape);
                // The first layer's are the same numbers, rounded; later ones come from rounded ones.
                var bound = (format == KeyValueFormat.Float16 ? 0.001f : 0.005f) * (layer + 1) * (layer + 1);
                foreach (var (a, b) in new[] { (found.Key, expected.Key), (found.Value, expected.Value) })
                {
                    var largest = b.ToArray<float>().Max(Math.Abs);
                    a.ToArray<float>().Zip(b.ToArray<float>(), (x, y) => Math.Abs(x - y)).Max().Should().BeLessThan(bound * largest).And.BePositive();
                }
            }
        }

        output.Logits.Dispose();
        scope.Dispose();
        BatchModels.MemoryOf(model).LoanedBuffers.Should().BeLessThanOrEqualTo(buffers);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Going_back_and_on_is_as_going_on_at_once(int generation, KeyValueFormat format)
    {
        using var model = BatchModels.Create(generation, BatchModels.Weights.Groups4);
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        model.CacheFormat = format;
        var prompt = BatchModels.Prompt(new Random(5), 50);
        float[] Next(KeyValueCache cache, params int[] tokens)
        {
            float[] scores = [];
            foreach (var token in tokens)
            {
                var inputs = TinyInputs(model, [token]) with { PastKeyValues = cache };
                if (generation == 1)
                    inputs = inputs with { PositionIds = Tensor.From(new long[] { 50, cache.Length - 50 }, [1, 2, 1], model.Backend) };
                scores = model.Forward(inputs).Logits.ToFloatArray();
            }

            return scores;
        }

        using var direct = model.Forward(TinyInputs(model, prompt) with { UseCache = true }).PastKeyValues!;
        using var detour = model.Forward(TinyInputs(model, prompt) with { UseCache = true }).PastKeyValues!;
        var expected = Next(direct, 5, 6, 7);
        Next(detour, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20);
        detour.Truncate(53);
        Next(detour, 6, 7).Should().Equal(expected);

        // Beams share pages until they go different ways.
        detour.Truncate(53);
        detour.SelectRows([0, 0, 0]);
        detour.Batch.Should().Be(3);
        detour.SelectRows([2]);
        Next(detour, 6, 7).Should().Equal(expected);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Beams_and_chats_go_through_it(int generation)
    {
        using var model = BatchModels.Create(generation);
        var prompt = BatchModels.Prompt(new Random(8), 29);
        var beams = new GenerationConfig { MaxNewTokens = 12, NumBeams = 3, NumReturnSequences = 2, EosTokenId = [] };
        var expected = model.Generate(prompt, beams);
        var buffers = BatchModels.MemoryOf(model).LoanedBuffers;
        model.CacheFormat = KeyValueFormat.Float16;
        var found = model.Generate(prompt, beams);
        for (var row = 0; row < 2; row++)
            found.Sequences[row].Should().Equal(expected.Sequences[row]);
        found.SequencesScores![0].Should().BeApproximately(expected.SequencesScores![0], 1e-3f);
        BatchModels.MemoryOf(model).LoanedBuffers.Should().Be(buffers);
    }

    [Theory]
    [InlineData(KeyValueFormat.Float16)]
    [InlineData(KeyValueFormat.Int8)]
    public void A_padded_row_says_what_it_says_alone(KeyValueFormat format)
    {
        using var model = BatchModels.Create(2, BatchModels.Weights.Groups4);
        model.CacheFormat = format;
        using var scope = new TensorScope();
        var (longer, shorter) = (BatchModels.Prompt(new Random(1), 38), BatchModels.Prompt(new Random(2), 3));
        var padding = longer.Length - shorter.Length;
        var inputs = new ModelInputs
        {
            InputIds = Tensor.From(Array.ConvertAll<int, long>([.. longer, .. new int[padding], .. shorter], id => id), [2, longer.Length], model.Backend),
            AttentionMask = Tensor.From(Enumerable.Range(0, 2 * longer.Length).Select(i => i < longer.Length || i >= longer.Length + padding ? 1L : 0).ToArray(), [2, longer.Length], model.Backend),
            PositionIds = Tensor.From(
                Enumerable.Range(0, 2 * longer.Length).Select(i => (long)(i < longer.Length ? i : Math.Max(0, i - longer.Length - padding))).ToArray(), [2, longer.Length], model.Backend),
        };
        var together = model.Generate(inputs, Greedy with { PadTokenId = 0 });
        together.Completion(0).ToArray().Should().Equal(model.Generate(longer, Greedy).Completion(0).ToArray());
        together.Completion(1).ToArray().Should().Equal(model.Generate(shorter, Greedy).Completion(0).ToArray());

        // A hole in the middle is no padding.
        var mask = Enumerable.Range(0, 2 * longer.Length).Select(i => i == 5 ? 0L : 1).ToArray();
        FluentActions.Invoking(() => model.Generate(inputs with { AttentionMask = Tensor.From(mask, [2, longer.Length], model.Backend) }, Greedy with { PadTokenId = 0 }))
            .Should().Throw<ModelInputException>().WithMessage("AttentionMask*row 0*Float32*");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_prefix_stands_in_it_and_a_gradient_is_refused(int generation)
    {
        ChatGLMConfig config = generation == 1 ? TinyModels.First : TinyModels.Second;
        using var model = AutoModel.FromConfig(config, new ModelOptions { PreSeqLen = 35, Seed = 7, CacheFormat = KeyValueFormat.Float16 });
        model.CacheFormat.Should().Be(KeyValueFormat.Float16);
        var found = new Recorder();
        var expected = new Recorder();
        var config8 = new GenerationConfig { MaxNewTokens = 8, EosTokenId = [] };
        using var scope = new TensorScope();
        model.Generate(TinyInputs(model, TinyModels.Prompt), config8, [found]);
        model.CacheFormat = KeyValueFormat.Float32;
        model.Generate(TinyInputs(model, TinyModels.Prompt), config8, [expected]);
        for (var step = 0; step < 8; step++)
        {
            var spread = expected.Scores[step].Max() - expected.Scores[step].Min();
            found.Scores[step].Zip(expected.Scores[step], (a, b) => Math.Abs(a - b)).Max().Should().BeLessThan(0.002f * spread).And.BePositive();
        }

        model.CacheFormat = KeyValueFormat.Int8;
        FluentActions.Invoking(() => model.Forward(TinyInputs(model, TinyModels.Prompt) with { UseCache = true })).Should().Throw<ModelInputException>().WithMessage("*Int8*gradient*");
        FluentActions.Invoking(() => model.CacheFormat = (KeyValueFormat)7).Should().Throw<ArgumentOutOfRangeException>();
    }

    private static ModelInputs TinyInputs(PreTrainedModel model, int[] ids) => new() { InputIds = Tensor.From(Array.ConvertAll<int, long>(ids, id => id), [1, ids.Length], model.Backend) };
}
