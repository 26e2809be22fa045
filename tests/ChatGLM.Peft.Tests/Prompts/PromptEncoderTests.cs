using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests.Prompts;

/// <summary>
/// The networks that make virtual tokens, against PyTorch 1.13: first values from a seed, what they compute with and without dropout, and gradients. The files in <c>Data</c> were written by
/// <c>torch.nn</c> modules put together as peft's are.
/// </summary>
public sealed class PromptEncoderTests
{
    private static readonly PromptEncoderConfig Lstm = new()
    {
        NumVirtualTokens = 3, EncoderReparameterizationType = PromptEncoderReparameterizationType.Lstm, EncoderHiddenSize = 5, EncoderNumLayers = 3, EncoderDropout = 0.25,
    };

    public static TheoryData<string> Files => ["prompt-encoder-lstm", "prompt-encoder-mlp", "prefix-encoder"];

    [Theory, MemberData(nameof(Files))]
    public void A_seed_gives_pytorchs_first_values(string file)
    {
        using var recorded = new Recorded(file);
        using var model = TinyModels.Create(2);
        using var peft = recorded.Create(model);
        var next = new float[4];
        model.Generator.Uniform(next);
        next.Should().Equal(recorded["next"], "as many numbers were drawn");
        var parameters = Parameters(peft);
        parameters.Keys.Should().BeEquivalentTo(recorded.Names("param."));
        foreach (var (name, parameter) in parameters)
        {
            // Normal draws go through a logarithm and a cosine, whose last bit differs from library to library; uniform ones do not.
            if (name == "embedding.weight")
                TinyModels.LargestDifference(parameter.ToFloatArray(), recorded["param." + name]).Should().BeLessThan(1e-6);
            else
                parameter.ToFloatArray().Should().Equal(recorded["param." + name], "of {0}", name);
        }
    }

    [Theory, MemberData(nameof(Files))]
    public void Computes_and_derives_what_pytorch_does(string file)
    {
        using var recorded = new Recorded(file);
        using var model = TinyModels.Create(2);
        using var peft = recorded.Create(model);
        using var scope = new TensorScope();
        peft.GetPeftModelStateDict().Should().ContainSingle(p => p.Key == "prompt_embeddings").Which.Value.ToFloatArray().Zip(recorded["out"]).Max(p => Math.Abs(p.First - p.Second)).Should().BeLessThan(1e-6f);
        peft.Train();
        model.Generator.ManualSeed(recorded.Seed + 1);
        var trained = Forward(model.SoftPrompt!);
        var expected = recorded["out_train"];
        TinyModels.LargestDifference(trained.ToFloatArray(), expected).Should().BeLessThan(1e-6, "dropout draws in PyTorch's order");
        var weights = Enumerable.Range(0, expected.Length).Select(i => (float)(-1 + (2.0 * i / (expected.Length - 1)))).ToArray();
        Functional.Sum(Functional.Multiply(trained, Tensor.From(weights, trained.Shape))).Backward();
        foreach (var (name, parameter) in Parameters(peft))
            TinyModels.LargestDifference(parameter.Grad!.ToFloatArray(), recorded["grad." + name]).Should().BeLessThan(2e-5, "of the gradient of {0}", name);
    }

    [Fact]
    public void Gradients_of_an_lstm_are_the_slopes_of_its_result()
    {
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(Lstm with { EncoderDropout = 0, EncoderNumLayers = 2 });
        using (new TensorScope())
            Loss().Backward();
        using var noGrad = GradMode.NoGrad();
        foreach (var (name, parameter) in Parameters(peft))
        {
            var values = parameter.AsSpan<float>();
            var gradient = parameter.Grad!.ToFloatArray();
            for (var i = 0; i < values.Length; i += 1 + (values.Length / 5))
            {
                const float Step = 1e-2f;
                using var scope = new TensorScope();
                var at = values[i];
                values[i] = at + Step;
                var above = Loss().Item();
                values[i] = at - Step;
                var slope = (above - Loss().Item()) / (2 * Step);
                values[i] = at;
                gradient[i].Should().BeApproximately(slope, 1e-3f + (1e-2f * Math.Abs(slope)), "of {0}[{1}]", name, i);
            }
        }

        Tensor Loss() => Functional.Sum(Functional.Square(((EmbeddingPrompt)model.SoftPrompt!).Forward(1)));
    }

    [Fact]
    public void What_is_saved_while_training_has_no_dropout_in_it()
    {
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(Lstm);
        var still = peft.GetPeftModelStateDict()["prompt_embeddings"].ToFloatArray();
        peft.Train();
        peft.GetPeftModelStateDict()["prompt_embeddings"].ToFloatArray().Should().Equal(still);
        var rows = ((EmbeddingPrompt)model.SoftPrompt!).Forward(2);
        rows.Shape.ToArray().Should().Equal(2, 3, 32);
        var values = rows.ToFloatArray();
        values[..96].Should().NotEqual(values[96..], "each row drops out on its own, as in peft");
    }

    private static Tensor Forward(SoftPrompt prompt)
    {
        var rows = prompt is EmbeddingPrompt embeddings ? embeddings.Forward(2) : ((KeyValuePrompt)prompt).Forward(2);
        return rows.Shape[0] == 2 ? rows : Functional.Concat([rows, rows], 0);
    }

    private static Dictionary<string, Tensor> Parameters(PeftModel peft) => peft.NamedParameters().Where(p => p.Name.StartsWith("prompt_encoder.default.", StringComparison.Ordinal))
        .ToDictionary(p => p.Name["prompt_encoder.default.".Length..], p => p.Parameter);

    private sealed class Recorded(string file) : IDisposable
    {
        private readonly Checkpoint _checkpoint = Checkpoint.Open(Path.Combine(AppContext.BaseDirectory, "Data", file + ".safetensors"));

        public ulong Seed => ulong.Parse(_checkpoint.Metadata["seed"], System.Globalization.CultureInfo.InvariantCulture);

        public float[] this[string name] => _checkpoint.Read(name).ToFloatArray();

        public IEnumerable<string> Names(string prefix) => _checkpoint.Entries.Keys.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).Select(n => n[prefix.Length..]);

        public PeftModelForCausalLM Create(ChatGLMForConditionalGeneration model)
        {
            model.Generator.ManualSeed(Seed);
            return model.GetPeftModel(file switch
            {
                "prompt-encoder-lstm" => Lstm,
                "prompt-encoder-mlp" => new PromptEncoderConfig { NumVirtualTokens = 3, EncoderHiddenSize = 6 },
                _ => new PrefixTuningConfig { NumVirtualTokens = 3, EncoderHiddenSize = 6, PrefixProjection = true },
            });
        }

        public void Dispose() => _checkpoint.Dispose();
    }
}
