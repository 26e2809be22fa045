using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

/// <summary>One token at a time: the bits of an ordinary pass, whatever stands in a layer's place.</summary>
public sealed class DecodingTests
{
    private const int Steps = 5;

    [Theory]
    [MemberData(nameof(DecodedModels.Cases), MemberType = typeof(DecodedModels))]
    public void A_token_alone_gets_the_bits_of_a_forward_pass(int generation, string format)
    {
        using var model = DecodedModels.Create(generation, format);
        Agrees(model, generation);
    }

    [Fact]
    public void The_variants_of_a_block()
    {
        foreach (var config in new[]
        {
            TinyModels.Second with { Rmsnorm = false }, TinyModels.Second with { ApplyResidualConnectionPostLayernorm = true }, TinyModels.Second with { PostLayerNorm = false },
            TinyModels.Second with { MultiQueryAttention = false }, TinyModels.Second with { AddBiasLinear = true },
        })
        {
            using var model = TinyModels.Create(config);
            Agrees(model, 2);
        }

        using var flat = TinyModels.Create(TinyModels.First with { PositionEncoding2D = false });
        Agrees(flat, 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Behind_a_prompt(int generation)
    {
        using var prefixed = TinyModels.Create(TinyModels.Of(generation) with { PreSeqLen = 3 });
        Agrees(prefixed, generation);
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var prompt = new Words(model);
        model.SoftPrompt = prompt;
        Agrees(model, generation);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_layer_of_somebody_else_may_keep_what_it_is_given(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        var (path, embedding) = generation == 1
            ? ("transformer.layers.1.attention.query_key_value", "transformer.word_embeddings")
            : ("transformer.encoder.layers.1.self_attention.query_key_value", "transformer.embedding.word_embeddings");
        model.TryGetModule(path, out var layer).Should().BeTrue();
        using var keeper = new Keeper((Linear)layer!);
        model.ReplaceModule(path, keeper);
        model.TryGetModule(embedding, out var table).Should().BeTrue();
        model.ReplaceModule(embedding, new OtherEmbedding((Embedding)table!));
        Agrees(model, generation);
        keeper.Kept.Should().HaveCount(2 * (2 + (2 * Steps)), "every pass went through it, alone and in an ordinary one");
        keeper.Lost.Should().OnlyContain(x => x.IsDisposed, "what was not kept has gone with its call, and does not come back");
        keeper.Kept.Select(x => string.Join(",", x.ToFloatArray())).Distinct().Should().HaveCount(2 * (1 + Steps), "a token's input stays what it was when the next one comes");
        keeper.Kept.ForEach(x => x.Dispose());
    }

    [Fact]
    public void A_layer_whose_result_has_another_shape_is_named()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        const string Path = "transformer.encoder.layers.0.mlp.dense_4h_to_h";
        model.TryGetModule(Path, out var layer).Should().BeTrue();
        using var wrong = new Wrong((Linear)layer!);
        model.ReplaceModule(Path, wrong);
        model.Invoking(m => m.Generate(TinyModels.Prompt, new GenerationConfig { MaxNewTokens = 3, EosTokenId = [] })).Should().Throw<TensorException>().WithMessage("*Wrong*[1, 1, 32]*[1, 1, 31]*");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Buffers_are_made_once_and_given_back(int generation)
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 2 });
        using var model = AutoModel.FromConfig(TinyModels.Of(generation), new ModelOptions { Backend = backend, Seed = 7 });
        var before = backend.Memory.LoanedBuffers;
        var counts = new List<long>();
        using (var outer = new TensorScope())
        {
            model.Generate(
                new ModelInputs { InputIds = Tensor.From(TinyModels.Prompt.Select(i => (long)i).ToArray(), [1, 7], backend) },
                new GenerationConfig { MaxNewTokens = 30, EosTokenId = [] },
                onToken: (_, _) => counts.Add(backend.Memory.LoanedBuffers));
        }

        counts.Skip(1).Distinct().Should().HaveCount(1, "a token rents nothing that stays");
        // The first pass leaves the rotary table.
        backend.Memory.LoanedBuffers.Should().Be(before + 2);
        backend.Memory.RecoveredBuffers.Should().Be(0);
    }

    /// <summary>Feeds a prompt and then tokens, each alone and in a pass of its own, to rows with and without padding.</summary>
    private static void Agrees(ChatGLMForConditionalGeneration model, int generation)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        foreach (var isPadded in new[] { false, true })
        {
            var prompt = isPadded
                ? DecodedModels.PaddedPrompt(generation, model.Config is ChatGLM6BConfig { PositionEncoding2D: true })
                : new ModelInputs { InputIds = TinyModels.Ids([.. TinyModels.Prompt.Select(i => (long)i)]) };
            var rows = prompt.InputIds.Shape[0];
            using var session = DecodingSession.Start(model, prompt);
            using var cache = new KeyValueCache(model.Config.NumLayers, model.Backend);
            var ordinary = DecodingStateOf(model, prompt);
            model.Forward(prompt with { PastKeyValues = cache, LastLogitsOnly = true });
            for (var step = 0; step < Steps; step++)
            {
                int[] tokens = [.. Enumerable.Range(0, rows).Select(row => 11 + (3 * step) + row)];
                session.Step(tokens, CancellationToken.None);
                ordinary.Advance(tokens);
                var expected = model.Forward(ordinary.Inputs(tokens, cache, model.Backend, CancellationToken.None)).Logits.ToFloatArray();
                var found = Enumerable.Range(0, rows).SelectMany(row => session.Logits(row).ToArray()).ToArray();
                found.AsSpan().SequenceEqual(expected).Should().BeTrue("token {0} of {1} rows has the bits of an ordinary pass", step, rows);
                if (rows == 2 && step == 2)
                {
                    session.SelectRows([1, 0, 1]);
                    cache.SelectRows([1, 0, 1]);
                    ordinary.SelectRows([1, 0, 1]);
                    rows = 3;
                }
            }

            if (!isPadded && generation == 2)
                session.Length.Should().Be(7 + Steps);
        }
    }

    private static DecodingState DecodingStateOf(ChatGLMForConditionalGeneration model, ModelInputs prompt) => model.StartDecoding(prompt, 0);

    /// <summary>Keeps its inputs: a copy, and the handle itself.</summary>
    private sealed class Keeper(Linear layer) : Linear(layer.Weight, layer.Bias)
    {
        public List<Tensor> Kept { get; } = [];

        public List<Tensor> Lost { get; } = [];

        public override Tensor Forward(Tensor x)
        {
            Lost.Add(x);
            using (TensorScope.Suspend())
                Kept.Add(x.Detach());
            return base.Forward(x);
        }
    }

    private sealed class OtherEmbedding(Embedding table) : Embedding(table.Weight)
    {
        public override Tensor Forward(Tensor ids) => base.Forward(ids);
    }

    private sealed class Wrong(Linear layer) : Linear(layer.Weight, layer.Bias)
    {
        public override Tensor Forward(Tensor x)
        {
            var y = base.Forward(x);
            return x.Shape[1] > 1 ? y : Functional.Slice(y, 2, 0, y.Shape[2] - 1);
        }
    }

    private sealed class Words(ChatGLMForConditionalGeneration model) : EmbeddingPrompt(3)
    {
        private readonly Tensor _rows = Tensor.From(Enumerable.Range(0, 3 * 32).Select(i => (i * 7 % 11) * 0.01f).ToArray(), [1, 3, 32], model.Backend);

        public override Tensor Forward(int batch) => _rows;
    }
}
