using ChatGLM.Batching;
using ChatGLM.Core.Tests.Models;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using static ChatGLM.Core.Tests.Batching.BatchModels;

namespace ChatGLM.Core.Tests.Batching;

public sealed class BatchingEngineTests
{
    [Theory]
    [MemberData(nameof(BatchModels.All), MemberType = typeof(BatchModels))]
    public async Task Requests_that_join_at_any_time_get_what_each_gets_alone(int generation, Weights weights)
    {
        using var model = Create(generation, weights);
        var requests = Requests(generation, 20);
        var expected = requests.ConvertAll(request => Alone(model, request));
        using var engine = new BatchingEngine(model, new BatchingOptions { MaxRequests = 7, PrefillTokens = 24 });
        var random = new Random(5);
        var answers = new List<BatchedGeneration>();
        foreach (var request in requests)
        {
            answers.Add(engine.Submit(request));
            if (random.Next(2) == 0)
                await Task.Delay(random.Next(4));
        }

        for (var i = 0; i < answers.Count; i++)
        {
            (await TokensAsync(answers[i])).Should().Equal(expected[i], "request {0}", i);
            var streamed = new List<int>();
            await foreach (var token in answers[i].ReadTokensAsync())
                streamed.Add(token);
            streamed.Should().Equal(expected[i]);
            var result = (await answers[i].Completion).Generation;
            result.FinishReasons[0].Should().Be(expected[i][^1] == requests[i].Config!.EosTokenId![0] ? FinishReason.Stop : FinishReason.Length);
            result.PromptTokens[0].Should().Be(requests[i].PromptIds.Count);
        }
    }

    [Theory]
    [MemberData(nameof(BatchModels.All), MemberType = typeof(BatchModels))]
    public async Task Scores_have_the_same_bits_alone_and_in_any_company_whatever_is_reused_or_read_again(int generation, Weights weights)
    {
        using var model = Create(generation, weights);
        var requests = Requests(generation + 10, 12, mostTokens: 60);
        // Some begin alike.
        for (var i = 6; i < 9; i++)
            requests[i] = requests[i] with { PromptIds = [.. requests[i - 6].PromptIds.SkipLast(2), .. requests[i].PromptIds] };
        requests[9] = requests[9] with { PromptIds = requests[2].PromptIds };
        var alone = new List<Recorder>();
        foreach (var request in requests)
        {
            using var engine = new BatchingEngine(model);
            alone.Add(new Recorder());
            await engine.Submit(request with { Processors = [alone[^1]] }).Completion;
        }

        foreach (var options in new[] { new BatchingOptions(), new BatchingOptions { PrefillTokens = 5, MaxRequests = 11 }, new BatchingOptions { CacheTokens = 12 * 32, PrefillTokens = 40 } })
        {
            using var engine = new BatchingEngine(model, options);
            for (var round = 0; round < 2; round++)
            {
                var recorders = requests.ConvertAll(_ => new Recorder());
                await Task.WhenAll(requests.Select((request, i) => engine.Submit(request with { Processors = [recorders[i]] }).Completion));
                for (var i = 0; i < requests.Count; i++)
                {
                    recorders[i].Scores.Count.Should().Be(alone[i].Scores.Count);
                    for (var step = 0; step < recorders[i].Scores.Count; step++)
                        recorders[i].Scores[step].AsSpan().SequenceEqual(alone[i].Scores[step]).Should().BeTrue("request {0}, token {1}, {2}", i, step, options);
                }
            }

            if (options.CacheTokens is not null)
                engine.Statistics.Preemptions.Should().BePositive("there is room for a few only");
            engine.Statistics.ReusedTokens.Should().BePositive();
        }
    }

    /// <summary>Prompts of ChatGLM-6B with either blank, of which the short one stands inside the text, and models of either kind of positions.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Blanks_are_filled_where_they_stand(bool is2D)
    {
        using var model = AutoModel.FromConfig(TinyModels.First with { MaxSequenceLength = 512, PositionEncoding2D = is2D }, new ModelOptions { Seed = 7 });
        var random = new Random(6);
        var config = new GenerationConfig { MaxNewTokens = 12, EosTokenId = [] };
        var requests = Enumerable.Range(0, 8).Select(i => new BatchRequest
        {
            PromptIds = [.. Prompt(random, random.Next(1, 20))[..^2], i % 2 == 0 ? 92 : 93, .. Prompt(random, i)[..^2], 90, .. i % 3 == 0 ? new[] { 7, 8 } : []],
            Config = config,
        }).ToList();
        using var engine = new BatchingEngine(model, new BatchingOptions { PrefillTokens = 9 });
        var answers = requests.ConvertAll(request => engine.Submit(request));
        for (var i = 0; i < answers.Count; i++)
            (await TokensAsync(answers[i])).Should().Equal(Alone(model, requests[i]), "request {0}", i);
        engine.Invoking(e => e.Submit(new BatchRequest { PromptIds = [7, 8, 90], Config = config })).Should().Throw<ModelInputException>().WithMessage("*gMASK*");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_prompt_that_begins_as_another_reads_only_the_rest_and_says_the_same(int generation)
    {
        using var model = Create(generation);
        var random = new Random(3);
        var config = new GenerationConfig { MaxNewTokens = 6, EosTokenId = [] };
        var first = Prompt(random, 75);
        // ChatGLM-6B's context attends to itself in both directions: there only the same one can be reused.
        int[] second = generation == 1 ? first : [.. first.AsSpan(0, 70), .. Prompt(random, 9)];
        var expected = Alone(model, new BatchRequest { PromptIds = second, Config = config });
        using var engine = new BatchingEngine(model);
        await TokensAsync(engine.Submit(new BatchRequest { PromptIds = first, Config = config }));
        engine.Statistics.PrefilledTokens.Should().Be(77);
        var answer = engine.Submit(new BatchRequest { PromptIds = second, Config = config });
        (await TokensAsync(answer)).Should().Equal(expected);
        var reused = generation == 1 ? 76 : 70; // all but the last token, in pages that end inside
        (await answer.Completion).CachedTokens.Should().Be(reused);
        await Settled(engine);
        engine.Statistics.PrefilledTokens.Should().Be(77 + second.Length - reused);
        engine.Statistics.ReusedTokens.Should().Be(reused);

        // Who wants nothing of others gets nothing.
        var own = engine.Submit(new BatchRequest { PromptIds = second, Config = config, ReusesPrefixes = false });
        (await TokensAsync(own)).Should().Equal(expected);
        (await own.Completion).CachedTokens.Should().Be(0);
        await engine.ClearPrefixesAsync();
        var fresh = engine.Submit(new BatchRequest { PromptIds = second, Config = config });
        (await fresh.Completion).CachedTokens.Should().Be(0);
    }

    [Fact]
    public async Task An_answer_is_reused_too_where_its_bits_hang_on_nothing()
    {
        using var model = Create(2, Weights.Groups4);
        using var engine = new BatchingEngine(model);
        var config = new GenerationConfig { MaxNewTokens = 20, EosTokenId = [] };
        var first = await engine.Submit(new BatchRequest { PromptIds = Prompt(new Random(1), 20), Config = config }).Completion;
        int[] next = [.. first.Generation.Sequences[0], 7, 8];
        var answer = engine.Submit(new BatchRequest { PromptIds = next, Config = config });
        (await TokensAsync(answer)).Should().Equal(Alone(model, new BatchRequest { PromptIds = next, Config = config }));
        (await answer.Completion).CachedTokens.Should().Be(41, "the last token of the answer was never read");
    }

    [Theory]
    [InlineData(1, KeyValueFormat.Float16, 0.002)]
    [InlineData(2, KeyValueFormat.Float16, 0.002)]
    [InlineData(1, KeyValueFormat.Int8, 0.05)]
    [InlineData(2, KeyValueFormat.Int8, 0.05)]
    public async Task Smaller_caches_give_nearly_the_same_scores(int generation, KeyValueFormat format, double bound)
    {
        using var model = Create(generation);
        var request = new BatchRequest { PromptIds = Prompt(new Random(4), 60), Config = new GenerationConfig { MaxNewTokens = 1, EosTokenId = [] } };
        var scores = new List<float[]>();
        long bytes = 0;
        foreach (var each in new[] { KeyValueFormat.Float32, format })
        {
            using var engine = new BatchingEngine(model, new BatchingOptions { CacheFormat = each });
            var recorder = new Recorder();
            await engine.Submit(request with { Processors = [recorder] }).Completion;
            scores.Add(recorder.Scores[0]);
            await Settled(engine);
            if (each == KeyValueFormat.Float32)
                bytes = engine.Statistics.CacheBytes;
            else
                engine.Statistics.CacheBytes.Should().BeLessThan((long)(bytes * (each == KeyValueFormat.Float16 ? 0.51 : 0.4)), "heads of 8 elements have many scales");
        }

        var spread = scores[0].Max() - scores[0].Min();
        scores[0].Zip(scores[1], (a, b) => Math.Abs(a - b)).Max().Should().BeLessThan((float)bound * spread).And.BePositive();
    }

    [Fact]
    public async Task A_request_that_fails_ends_alone()
    {
        using var model = Create(2);
        using var engine = new BatchingEngine(model);
        var requests = Requests(8, 6);
        var good = requests.ConvertAll(request => engine.Submit(request));
        var bad = engine.Submit(requests[0] with { Processors = [new Throwing()] });
        var hopeless = engine.Submit(requests[1] with { Config = new GenerationConfig { MaxNewTokens = 3, SuppressTokens = [.. Enumerable.Range(0, 96)] } });
        await bad.Completion.Awaiting(c => c).Should().ThrowAsync<InvalidTimeZoneException>();
        await hopeless.Completion.Awaiting(c => c).Should().ThrowAsync<InvalidLogitsException>();
        await FluentActions.Awaiting(async () =>
        {
            await foreach (var _ in bad.ReadTokensAsync())
            {
            }
        }).Should().ThrowAsync<InvalidTimeZoneException>();
        for (var i = 0; i < good.Count; i++)
            (await TokensAsync(good[i])).Should().Equal(Alone(model, requests[i]));
    }

    [Fact]
    public async Task Cancelled_requests_give_everything_back_and_the_others_do_not_notice()
    {
        using var model = Create(2);
        var requests = Requests(9, 40);
        var expected = requests.ConvertAll(request => Alone(model, request));
        var buffers = MemoryOf(model).LoanedBuffers;
        using (var engine = new BatchingEngine(model, new BatchingOptions { MaxRequests = 6, PrefillTokens = 16, CacheTokens = 640 }))
        {
            var random = new Random(2);
            using var all = new CancellationTokenSource();
            var answers = new List<(int Index, BatchedGeneration Answer, bool IsCancelled)>();
            for (var i = 0; i < 120; i++)
            {
                var index = i % requests.Count;
                var isCancelled = random.Next(3) > 0;
                answers.Add((index, engine.Submit(requests[index], isCancelled ? all.Token : default), isCancelled));
                if (isCancelled && random.Next(2) == 0)
                    answers[random.Next(answers.Count)].Answer.Cancel();
                if (i % 10 == 0)
                    await Task.Delay(random.Next(5));
            }

            await all.CancelAsync();
            var ended = 0;
            foreach (var (index, answer, isCancelled) in answers)
            {
                try
                {
                    (await TokensAsync(answer)).Should().Equal(expected[index]);
                    ended++;
                }
                catch (OperationCanceledException)
                {
                    answer.Completion.IsCanceled.Should().BeTrue();
                }
            }

            ended.Should().BePositive();
            (await TokensAsync(engine.Submit(requests[3]))).Should().Equal(expected[3]);
            await Settled(engine);
            engine.Statistics.UsedCacheTokens.Should().Be(engine.Statistics.IdleCacheTokens, "only the tree of prefixes may still hold pages");
        }

        MemoryOf(model).LoanedBuffers.Should().Be(buffers);
        MemoryOf(model).RecoveredBuffers.Should().Be(0);
    }

    [Fact]
    public async Task What_cannot_be_answered_is_refused_before_it_waits()
    {
        using var model = Create(2);
        using var engine = new BatchingEngine(model, new BatchingOptions { MaxRequests = 1, MaxQueueLength = 1, CacheTokens = 96 });
        var request = new BatchRequest { PromptIds = Prompt(new Random(1), 5), Config = new GenerationConfig { MaxNewTokens = 5, EosTokenId = [] } };
        engine.Invoking(e => e.Submit(request with { Config = request.Config with { NumBeams = 2 } })).Should().Throw<GenerationConfigException>().WithMessage("*beams*");
        engine.Invoking(e => e.Submit(request with { PromptIds = [] })).Should().Throw<ModelInputException>();
        engine.Invoking(e => e.Submit(request with { PromptIds = [96] })).Should().Throw<TokenIdOutOfRangeException>();
        engine.Invoking(e => e.Submit(request with { PromptIds = Prompt(new Random(1), 600) })).Should().Throw<PromptTooLongException>().WithMessage("*512*seq_length*");
        engine.Invoking(e => e.Submit(request with { PromptIds = Prompt(new Random(1), 100) })).Should().Throw<PromptTooLongException>().WithMessage("*96*CacheTokens*");
        engine.Invoking(e => e.Submit(request with { Adapter = "a" })).Should().Throw<ArgumentException>().WithMessage("*'a'*Adapters*");
        engine.Invoking(e => e.Submit(request with { Config = request.Config with { StopStrings = ["x"] } })).Should().Throw<GenerationConfigException>().WithMessage("*stop_strings*");
        using var gate = new ManualResetEventSlim();
        var held = engine.RunAsync((_, cancellation) => gate.Wait(TimeSpan.FromSeconds(30), cancellation));
        var waiting = new[] { engine.Submit(request), engine.Submit(request) };
        engine.Invoking(e => e.Submit(request)).Should().Throw<BatchQueueFullException>().Which.QueueLength.Should().Be(1);
        gate.Set();
        (await held).Should().BeTrue();
        foreach (var answer in waiting)
            (await TokensAsync(answer)).Should().HaveCount(5);
        // An answer that fills all the room there is ends there.
        var full = await engine.Submit(request with { Config = request.Config with { MaxNewTokens = 500 } }).Completion;
        full.Generation.Sequences[0].Should().HaveCount(96);
        full.Generation.FinishReasons[0].Should().Be(FinishReason.Length);
        FluentActions.Invoking(() => new BatchingEngine(model, new BatchingOptions { MaxRequests = 0 })).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public async Task Disposing_ends_everything_and_gives_the_memory_back()
    {
        using var model = Create(2);
        Alone(model, Requests(1, 1)[0]); // makes the rotary table, which stays
        var buffers = MemoryOf(model).LoanedBuffers;
        var engine = new BatchingEngine(model, new BatchingOptions { MaxRequests = 2 });
        var answers = Requests(1, 5).ConvertAll(r => engine.Submit(r with { Config = new GenerationConfig { MaxNewTokens = 400, EosTokenId = [] } }));
        await foreach (var _ in answers[0].ReadTokensAsync())
            break;
        await engine.DisposeAsync();
        engine.Dispose();
        foreach (var answer in answers)
            await answer.Completion.Awaiting(c => c).Should().ThrowAsync<ObjectDisposedException>();
        engine.Invoking(e => e.Submit(Requests(1, 1)[0])).Should().Throw<ObjectDisposedException>();
        await engine.Awaiting(e => e.RunAsync((_, _) => 1)).Should().ThrowAsync<ObjectDisposedException>();
        MemoryOf(model).LoanedBuffers.Should().Be(buffers);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(1, true)]
    [InlineData(2, true)]
    public async Task Soft_prompts_stand_before_every_row(int generation, bool isKeys)
    {
        using var model = Create(generation);
        using SoftPrompt prompt = isKeys ? new RandomKeys(model, 37) : new RandomTokens(model, 5);
        model.SoftPrompt = prompt;
        var requests = Requests(generation + 20, 10);
        var expected = requests.ConvertAll(request => Alone(model, request));
        using (var engine = new BatchingEngine(model, new BatchingOptions { PrefillTokens = 20, CacheTokens = 20 * 32 }))
        {
            for (var round = 0; round < 2; round++)
            {
                var answers = requests.ConvertAll(request => engine.Submit(request));
                for (var i = 0; i < answers.Count; i++)
                    (await TokensAsync(answers[i])).Should().Equal(expected[i], "request {0}", i);
            }

            engine.Statistics.ReusedTokens.Should().BePositive();
        }

        model.SoftPrompt = null;
        using var plain = new BatchingEngine(model);
        (await TokensAsync(plain.Submit(requests[0]))).Should().Equal(Alone(model, requests[0]));
    }

    private static async Task Settled(BatchingEngine engine)
    {
        // The last answer is complete a moment before the engine has put its step behind it.
        await engine.RunAsync((_, _) => true);
        for (var i = 0; i < 200 && engine.Statistics.Running + engine.Statistics.Waiting > 0; i++)
            await Task.Delay(5);
        await engine.RunAsync((_, _) => true);
        await Task.Delay(20);
    }

    private sealed class Throwing : LogitsProcessor
    {
        public override void Process(InputIds inputIds, TokenScores scores)
        {
            if (inputIds.Length > 3)
                throw new InvalidTimeZoneException();
        }
    }

    private sealed class RandomKeys(ChatGLMForConditionalGeneration model, int length) : KeyValuePrompt(length)
    {
        private readonly float[] _values = Normal(length * model.Config.NumLayers * 2 * model.Config.KeyValueHeads * model.Config.HeadDim);

        public override Tensor Forward(int batch) => Tensor.From(_values, [1, Length, _values.Length / Length], model.Backend);
    }

    private sealed class RandomTokens(ChatGLMForConditionalGeneration model, int length) : EmbeddingPrompt(length)
    {
        private readonly float[] _values = Normal(length * model.Config.HiddenSize);

        public override Tensor Forward(int batch) => Tensor.From(_values, [1, Length, _values.Length / Length], model.Backend);
    }

    private static float[] Normal(int count)
    {
        var values = new float[count];
        new TorchGenerator(3).Normal(values);
        return values;
    }
}
