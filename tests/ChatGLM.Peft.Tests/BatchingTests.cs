using ChatGLM.Batching;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

/// <summary>Requests that each ask for another adapter, in one batch.</summary>
public sealed class BatchingTests
{
    public static TheoryData<int, bool> Models => new() { { 1, false }, { 2, false }, { 1, true }, { 2, true } };

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Each_row_goes_through_its_adapter_whatever_kind_the_others_are(int generation, bool isQuantized)
    {
        using var model = AutoModel.FromConfig(ConfigOf(generation), new ModelOptions { Seed = 7 });
        if (isQuantized)
            model.Quantize(new QuantizationConfig());
        string[] modules = generation == 1 ? ["query_key_value", "dense_h_to_4h"] : ["query_key_value", "dense_4h_to_h"];
        LoraConfig Lora(int rank) => new() { R = rank, LoraAlpha = 4 * rank, TargetModules = modules, InitLoraWeights = InitLoraWeights.Random };
        var peft = model.GetPeftModel(Lora(4), "a");
        peft.AddAdapter("b", Lora(2));
        peft.AddAdapter("c", Lora(8));
        peft.AddAdapter("dora", Lora(4) with { UseDora = true });
        peft.AddAdapter("prompt", new PromptTuningConfig { NumVirtualTokens = 3 });
        peft.AddAdapter("prefix", new PrefixTuningConfig { NumVirtualTokens = 4 });
        model.Eval();

        string?[] names = [null, "a", "b", "c", "dora", "prompt", "prefix"];
        var random = new Random(generation);
        var requests = Enumerable.Range(0, 28).Select(i => new BatchRequest
        {
            PromptIds = [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(4, 60)), 93, 90],
            Adapter = names[i % names.Length],
            Config = new GenerationConfig { MaxNewTokens = random.Next(1, 12), EosTokenId = [], DoSample = i % 2 == 0, Seed = i, TopK = 0 },
        }).ToList();
        var expected = new List<int[]>();
        foreach (var request in requests)
        {
            peft.SetAdapter(request.Adapter is null ? [] : [request.Adapter]);
            expected.Add(model.Generate([.. request.PromptIds], request.Config).Completion(0).ToArray());
        }

        expected.Take(7).Select(tokens => string.Join(' ', tokens)).Distinct().Count().Should().BeGreaterThan(4, "adapters must differ to be mixed up");
        var adapters = peft.ForBatches();
        (adapters.SharesPasses(null), adapters.SharesPasses("a"), adapters.SharesPasses("dora"), adapters.SharesPasses("prompt"), adapters.SharesPasses("nobody")).Should().Be((true, true, false, false, false));
        using var engine = new BatchingEngine(model, new BatchingOptions { Adapters = adapters, PrefillTokens = 40, CacheTokens = 32 * 14 });
        for (var round = 0; round < 2; round++)
        {
            var answers = new List<BatchedGeneration>();
            foreach (var request in requests)
            {
                answers.Add(engine.Submit(request));
                if (random.Next(4) == 0)
                    await Task.Delay(2);
            }

            for (var i = 0; i < answers.Count; i++)
                (await answers[i].Completion.WaitAsync(TimeSpan.FromSeconds(60))).Generation.Completion(0).ToArray().Should().Equal(expected[i], "request {0}, adapter {1}", i, requests[i].Adapter);
        }

        if (generation == 2)
            engine.Statistics.ReusedTokens.Should().BePositive("the prompts of the second round are those of the first");
        var unknown = engine.Submit(requests[1] with { Adapter = "nobody" });
        await unknown.Completion.Awaiting(c => c).Should().ThrowAsync<AdapterNameException>();
        (await engine.Submit(requests[1]).Completion).Generation.Completion(0).ToArray().Should().Equal(expected[1]);
    }

    /// <summary>Adapters are float32 in any case: their sums hang on how many rows they have, which the engine sees to.</summary>
    [Theory]
    [MemberData(nameof(Models))]
    public async Task Scores_through_an_adapter_have_the_same_bits_in_any_company(int generation, bool isQuantized)
    {
        using var model = AutoModel.FromConfig(ConfigOf(generation), new ModelOptions { Seed = 7 });
        if (isQuantized)
            model.Quantize(new QuantizationConfig());
        var config = new LoraConfig { R = 4, LoraAlpha = 16, TargetModules = ["query_key_value"], InitLoraWeights = InitLoraWeights.Random };
        var peft = model.GetPeftModel(config, "a");
        peft.AddAdapter("b", config);
        model.Eval();
        var random = new Random(9);
        string?[] names = [null, "a", "b"];
        var requests = Enumerable.Range(0, 13).Select(i => new BatchRequest
        {
            PromptIds = [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(4, 60)), 93, 90],
            Adapter = i < 10 ? "a" : names[i % 3],
            Config = new GenerationConfig { MaxNewTokens = 10, EosTokenId = [] },
        }).ToList();
        using var engine = new BatchingEngine(model, new BatchingOptions { Adapters = peft.ForBatches(), MaxRequests = 13, ReusesPrefixes = false });
        async Task<List<float[]>> ScoresAsync(BatchRequest request)
        {
            var recorder = new Recorder();
            await engine.Submit(request with { Processors = [recorder] }).Completion;
            return recorder.Scores;
        }

        var alone = new List<List<float[]>>();
        foreach (var request in requests)
            alone.Add(await ScoresAsync(request));
        var together = await Task.WhenAll(requests.Select(ScoresAsync));
        for (var i = 0; i < requests.Count; i++)
        {
            for (var step = 0; step < alone[i].Count; step++)
                together[i][step].Should().Equal(alone[i][step], "request {0}, token {1}", i, step);
        }
    }

    private static ChatGLMConfig ConfigOf(int generation) => generation == 1 ? TinyModels.First : TinyModels.Second;

    private sealed class Recorder : LogitsProcessor
    {
        public List<float[]> Scores { get; } = [];

        public override void Process(InputIds inputIds, TokenScores scores) => Scores.Add(scores[0].ToArray());
    }
}
