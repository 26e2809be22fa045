using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;

namespace ChatGLM.Extensions.AI.Tests;

public sealed class EmbeddingTests(Snapshots snapshots) : IClassFixture<Snapshots>
{
    [Theory]
    [MemberData(nameof(Snapshots.Generations), MemberType = typeof(Snapshots))]
    public async Task An_embedding_is_the_normalised_mean_over_the_texts_own_tokens(ChatGLMGeneration generation)
    {
        var folder = snapshots[generation].Path;
        using var shared = new SharedModel(snapshots[generation].Options());
        using var generator = new ChatGLMEmbeddingGenerator(shared);
        var result = await generator.GenerateAsync(["你好 数据", "learning"]);

        using var model = AutoModel.FromPretrained(folder);
        var tokenizer = AutoTokenizer.FromPretrained(folder);
        var ids = tokenizer.Encode("你好 数据");
        using var output = model.Forward(new ModelInputs { InputIds = Tensor.From(Array.ConvertAll(ids, i => (long)i), [1, ids.Length]), OutputHiddenStates = true });
        var hidden = output.HiddenStates[^1].ToArray<float>();
        var size = model.Config.HiddenSize;
        var own = Enumerable.Range(0, ids.Length).Where(t => !tokenizer.AllSpecialIds.Contains(ids[t]) && ids[t] != tokenizer.GMaskTokenId && ids[t] != tokenizer.SopTokenId).ToArray();
        var mean = Enumerable.Range(0, size).Select(c => own.Average(t => (double)hidden[(t * size) + c])).ToArray();
        var norm = Math.Sqrt(mean.Sum(v => v * v));

        own.Length.Should().Be(ids.Length - 2);
        result.Should().HaveCount(2);
        for (var c = 0; c < size; c++)
            ((double)result[0].Vector.Span[c]).Should().BeApproximately(mean[c] / norm, 1e-5);
        result.Usage!.InputTokenCount.Should().Be(ids.Length + tokenizer.Encode("learning").Length);
        var alone = await generator.GenerateAsync(["learning"]);
        alone[0].Vector.ToArray().Should().Equal(result[1].Vector.ToArray(), "an embedding does not hang on the texts beside it");
    }

    [Fact]
    public async Task What_cannot_be_embedded_is_refused()
    {
        using var shared = new SharedModel(snapshots[ChatGLMGeneration.ChatGLM2].Options());
        using var generator = new ChatGLMEmbeddingGenerator(shared);
        await generator.Awaiting(g => g.GenerateAsync(["x", " "])).Should().ThrowAsync<ArgumentException>();
        await generator.Awaiting(g => g.GenerateAsync(["x"], new EmbeddingGenerationOptions { Dimensions = 7 })).Should().ThrowAsync<UnsupportedOptionException>().WithMessage("*Dimensions*7*32*");
        await generator.Awaiting(g => g.GenerateAsync(["x"], new EmbeddingGenerationOptions { ModelId = "other" })).Should().ThrowAsync<UnsupportedOptionException>();
        await generator.Awaiting(g => g.GenerateAsync([new string('好', 3000)])).Should().ThrowAsync<PromptTooLongException>();
        (await generator.GenerateAsync([])).Should().BeEmpty();
    }
}
