using ChatGLM.Batching;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using static ChatGLM.Core.Tests.Batching.BatchModels;

namespace ChatGLM.Core.Tests.Batching;

/// <summary>Random arrivals, cancellations and clearings, step by step in one thread, with the books checked after every step.</summary>
public sealed class SchedulerFuzzTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(2, 3)]
    [InlineData(2, 4)]
    public async Task Pages_are_accounted_for_and_everybody_ends_with_the_right_tokens(int generation, int seed)
    {
        using var model = Create(generation, threads: 1);
        var random = new Random(seed);
        var requests = Requests(seed + 40, 14, mostWords: 60, mostTokens: 50);
        for (var i = 7; i < 14; i++)
            requests[i] = requests[i] with { PromptIds = [.. requests[i - 7].PromptIds.Take(random.Next(1, 60)).Where(id => id < 90), .. requests[i].PromptIds] };
        var expected = requests.ConvertAll(request => Alone(model, request));
        var buffers = MemoryOf(model).LoanedBuffers;
        var options = new BatchingOptions { MaxRequests = random.Next(2, 7), PrefillTokens = random.Next(1, 60), CacheTokens = 32 * random.Next(6, 14), ReusesPrefixes = seed != 4 };
        using (var scheduler = new BatchScheduler(model, options))
        {
            var open = new List<(int Index, BatchedGeneration Answer)>();
            var (arrived, completed, cancelled) = (0, 0, 0);
            for (var step = 0; step < 3000 && (arrived < 90 || open.Count > 0); step++)
            {
                while (arrived < 90 && random.Next(3) == 0)
                {
                    var index = random.Next(requests.Count);
                    open.Add((index, Submit(model, scheduler, requests[index], arrived++)));
                }

                if (open.Count > 0 && random.Next(12) == 0)
                    open[random.Next(open.Count)].Answer.Cancel();
                if (random.Next(40) == 0)
                    scheduler.ClearPrefixes();
                scheduler.Step();
                Check(scheduler, options);
                for (var i = open.Count - 1; i >= 0; i--)
                {
                    var (index, answer) = open[i];
                    if (!answer.Completion.IsCompleted)
                        continue;
                    open.RemoveAt(i);
                    if (answer.Completion.IsCanceled)
                    {
                        cancelled++;
                        continue;
                    }

                    (await answer.Completion).Generation.Completion(0).ToArray().Should().Equal(expected[index]);
                    completed++;
                }
            }

            open.Should().BeEmpty("nobody waits for ever");
            (completed + cancelled).Should().Be(90);
            completed.Should().BeGreaterThan(30);
            cancelled.Should().BePositive();
            scheduler.ClearPrefixes();
            scheduler.Pool.Used.Should().Be(0);
        }

        MemoryOf(model).LoanedBuffers.Should().Be(buffers);
    }

    [Fact]
    public async Task Answers_go_on_while_a_long_prompt_is_read_in_pieces()
    {
        using var model = Create(2, threads: 1);
        var options = new BatchingOptions { PrefillTokens = 10 };
        using var scheduler = new BatchScheduler(model, options);
        var config = new GenerationConfig { MaxNewTokens = 30, EosTokenId = [] };
        var random = new Random(1);
        var shorter = Submit(model, scheduler, new BatchRequest { PromptIds = Prompt(random, 3), Config = config }, 0);
        scheduler.Step();
        scheduler.Statistics.GeneratedTokens.Should().Be(1);
        var longer = Submit(model, scheduler, new BatchRequest { PromptIds = Prompt(random, 98), Config = config }, 1);
        for (var step = 1; step <= 10; step++)
        {
            scheduler.Step();
            scheduler.Statistics.PrefilledTokens.Should().Be(5 + (10 * step));
            scheduler.Statistics.GeneratedTokens.Should().Be(1 + step + (step == 10 ? 1 : 0), "every step takes the short one further, the last piece of the long one gives its first token");
        }

        while (scheduler.Step())
        {
        }

        (await shorter.Completion).Generation.CompletionTokens[0].Should().Be(30);
        (await longer.Completion).Generation.CompletionTokens[0].Should().Be(30);

        // While nobody waits for a token, pieces are longer: eight times, so that this takes two.
        var alone = Submit(model, scheduler, new BatchRequest { PromptIds = Prompt(random, 98), Config = config with { MaxNewTokens = 1 }, ReusesPrefixes = false }, 2);
        scheduler.Step().Should().BeTrue();
        scheduler.Step().Should().BeFalse();
        alone.Completion.IsCompletedSuccessfully.Should().BeTrue();
    }

    /// <summary>What must hold between any two steps.</summary>
    private static void Check(BatchScheduler scheduler, BatchingOptions options)
    {
        scheduler.Running.Count.Should().BeLessThanOrEqualTo(options.MaxRequests);
        scheduler.Pool.Used.Should().BeLessThanOrEqualTo(scheduler.Pool.Capacity);
        var holders = new Dictionary<CachePage, int>(ReferenceEqualityComparer.Instance);
        foreach (var page in scheduler.Running.SelectMany(s => s.Pages).Concat(scheduler.Prefixes.Pages))
            holders[page] = holders.GetValueOrDefault(page) + 1;
        holders.Should().HaveCount(scheduler.Pool.Used, "no page is lost");
        foreach (var (page, count) in holders)
            page.References.Should().Be(count);
        scheduler.Prefixes.Pages.Count().Should().Be(scheduler.Prefixes.Count);
        scheduler.Running.Select(s => s.Order).Should().BeInAscendingOrder();
        scheduler.Waiting.Select(s => s.Order).Should().BeInAscendingOrder();
        foreach (var sequence in scheduler.Waiting)
            sequence.Pages.Should().BeEmpty();
        foreach (var sequence in scheduler.Running)
        {
            sequence.Cached.Should().BeInRange(0, sequence.Entries - 1, "the last token has not been read");
            sequence.Cached.Should().BeLessThanOrEqualTo(sequence.Pages.Count * KeyValuePageLayout.Positions);
            sequence.Pages.Should().OnlyHaveUniqueItems();
        }

        // The page that a sequence writes to next is its own, but for what a tree holds of its beginning.
        foreach (var sequence in scheduler.Running.Where(s => s.Cached % KeyValuePageLayout.Positions > 0))
        {
            var next = sequence.Pages[sequence.Cached / KeyValuePageLayout.Positions];
            scheduler.Running.Where(other => other != sequence).Should().NotContain(other => other.Pages.Contains(next));
        }
    }

    private static BatchedGeneration Submit(ChatGLMForConditionalGeneration model, BatchScheduler scheduler, BatchRequest request, int order)
    {
        int[] prompt = [.. request.PromptIds];
        var plan = new GenerationPlan(1, prompt.Length, 96, new GenerationRequest { Prompts = [prompt], Config = model.Complete(request.Config) });
        var answer = new BatchedGeneration(plan.EosTokenIds, default);
        scheduler.Add(new BatchSequence(order, request, new SequenceSearch(plan, 96), model.PositionsOf(prompt), answer));
        return answer;
    }
}
