using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

public sealed class ForwardTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void An_id_outside_the_vocabulary_is_named(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        FluentActions.Invoking(() => model.Forward(TinyModels.Ids(7, 96, 93, 90))).Should().Throw<TokenIdOutOfRangeException>().WithMessage("*[0, 1] is 96*95*");
        FluentActions.Invoking(() => model.Forward(TinyModels.Ids(7, -1, 93, 90))).Should().Throw<TokenIdOutOfRangeException>();
        FluentActions.Invoking(() => model.Generate([7, 200, 93, 90])).Should().Throw<TokenIdOutOfRangeException>();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Inputs_of_another_shape_are_refused_by_name(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        var inputs = new ModelInputs { InputIds = TinyModels.Ids(7, 8, 93, 90) };
        Refuses(model, inputs with { AttentionMask = Tensor.From(new long[3], [1, 3]) }, "AttentionMask");
        Refuses(model, inputs with { PositionIds = Tensor.From(new long[5], [1, 5]) }, "PositionIds");
        Refuses(model, inputs with { Labels = Tensor.From(new long[3], [1, 3]) }, "Labels");
        Refuses(model, inputs with { Labels = TinyModels.Ids(7, 8, 96, 90) }, "Labels");
        Refuses(model, inputs with { InputsEmbeds = Tensor.Zeros([1, 4, 31]) }, "InputsEmbeds");
        Refuses(model, inputs with { Labels = TinyModels.Ids(1, 1, 1, 1), LastLogitsOnly = true }, "LastLogitsOnly");
        Refuses(model, inputs with { LossOnly = true }, "LossOnly");
        Refuses(model, new ModelInputs { InputIds = Tensor.From(new long[4], [4]) }, "InputIds");
        Refuses(model, new ModelInputs { InputIds = Tensor.From(Array.Empty<long>(), [1, 0]) }, "InputIds");
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(2, false)]
    public void The_loss_alone_is_the_loss_beside_the_scores(int generation, bool trainsHead)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        foreach (var (name, parameter) in model.NamedParameters())
            parameter.RequiresGrad = trainsHead || !name.Contains("lm_head") && !name.Contains("output_layer") && !name.Contains("word_embeddings");
        var inputs = new ModelInputs { InputIds = TinyModels.Ids(7, 8, 93, 90, 11, 12), Labels = TinyModels.Ids(-100, -100, -100, 90, 11, 12) };
        var (whole, alone) = (Gradients(inputs), Gradients(inputs with { LossOnly = true }));
        alone.Loss.Should().BeApproximately(whole.Loss, 1e-6f);
        alone.Gradients.Keys.Should().BeEquivalentTo(whole.Gradients.Keys);
        foreach (var (name, expected) in whole.Gradients)
        {
            var largest = expected.Max(MathF.Abs);
            alone.Gradients[name].Zip(expected, (a, b) => MathF.Abs(a - b)).Max().Should().BeLessThanOrEqualTo(2e-6f * Math.Max(largest, 1e-3f), name);
        }

        FluentActions.Invoking(() => model.Forward(inputs with { LossOnly = true }).Logits).Should().Throw<ModelInputException>().WithMessage("*LossOnly*");

        (float Loss, Dictionary<string, float[]> Gradients) Gradients(ModelInputs inputs)
        {
            using var scope = new TensorScope();
            var loss = model.Forward(inputs).Loss!;
            loss.Backward();
            var gradients = model.NamedParameters().Where(p => p.Parameter.Grad is not null).ToDictionary(p => p.Name, p => p.Parameter.Grad!.ToFloatArray());
            foreach (var (_, parameter) in model.NamedParameters())
                parameter.ZeroGrad();
            return (loss.Item(), gradients);
        }
    }

    [Fact]
    public void A_6B_prompt_without_a_blank_or_sop_is_explained()
    {
        using var model = TinyModels.Create(TinyModels.First);
        FluentActions.Invoking(() => model.Forward(TinyModels.Ids(7, 8, 90))).Should().Throw<ModelInputException>().WithMessage("*[gMASK]*tokenizer*");
        FluentActions.Invoking(() => model.Forward(TinyModels.Ids(7, 8, 93))).Should().Throw<ModelInputException>().WithMessage("*<sop>*");
    }

    [Fact]
    public void A_position_beyond_the_table_is_refused()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        Refuses(model, new ModelInputs { InputIds = TinyModels.Ids(7), PositionIds = TinyModels.Ids(64) }, "PositionIds");
        Refuses(model, new ModelInputs { InputIds = TinyModels.Ids(7), PositionIds = TinyModels.Ids(-1) }, "PositionIds");
        Refuses(model, new ModelInputs { InputIds = TinyModels.Ids(7), PositionIds = TinyModels.Ids(long.MaxValue - 1) }, "PositionIds");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_last_logits_alone_are_those_of_all(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var noGrad = GradMode.NoGrad();
        var ids = TinyModels.Ids([.. TinyModels.Prompt.Select(i => (long)i)]);
        var all = model.Forward(ids).Logits.ToFloatArray();
        var last = model.Forward(new ModelInputs { InputIds = ids, LastLogitsOnly = true }).Logits;
        last.Shape.ToArray().Should().Equal(1, 1, 96);
        Close(last.ToFloatArray(), all[^96..]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Embeddings_can_be_given(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var noGrad = GradMode.NoGrad();
        var ids = TinyModels.Ids([.. TinyModels.Prompt.Select(i => (long)i)]);
        var table = model.NamedParameters().First(p => p.Name.EndsWith("word_embeddings.weight")).Parameter;
        var embedded = Functional.Embedding(ids, table);
        var result = model.Forward(new ModelInputs { InputIds = ids, InputsEmbeds = embedded, OutputHiddenStates = true });
        Close(result.Logits.ToFloatArray(), model.Forward(ids).Logits.ToFloatArray());
        result.Dispose();
        embedded.IsDisposed.Should().BeFalse("the caller's tensor is the caller's");
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(1, true)]
    [InlineData(2, true)]
    public void Steps_with_a_cache_are_the_whole_pass(int generation, bool prefix)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation) with { PreSeqLen = prefix ? 3 : null });
        using var noGrad = GradMode.NoGrad();
        int[] answer = [11, 12, 13, 14];
        var whole = model.Forward(TinyModels.Ids([.. TinyModels.Prompt.Concat(answer).Select(i => (long)i)])).Logits.ToFloatArray();
        using var session = DecodingSession.Start(model, new ModelInputs { InputIds = TinyModels.Ids([.. TinyModels.Prompt.Select(i => (long)i)]) });
        for (var i = 0; i < answer.Length; i++)
        {
            Close(session.Logits(0).ToArray(), whole[((TinyModels.Prompt.Length + i - 1) * 96)..][..96]);
            session.Step([answer[i]], default);
            session.Length.Should().Be(TinyModels.Prompt.Length + i + 1);
        }
    }

    [Fact]
    public void A_left_padded_row_generates_what_it_does_alone()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        var options = new GenerationConfig { MaxNewTokens = 8, EosTokenId = [] };
        var alone = model.Generate([7, 21, 35], options);
        var batch = new ModelInputs
        {
            InputIds = Tensor.From(new long[] { 0, 0, 7, 21, 35, 5, 6, 7, 8, 9 }, [2, 5]),
            AttentionMask = Tensor.From(new long[] { 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 }, [2, 5]),
            PositionIds = Tensor.From(new long[] { 0, 0, 0, 1, 2, 0, 1, 2, 3, 4 }, [2, 5]),
        };
        var together = model.Generate(batch, options);
        together.Completion(0).ToArray().Should().Equal(alone.Completion(0).ToArray());
        together.PromptTokens.Should().Equal(3, 5);
        together.Completion(1).ToArray().Should().Equal(model.Generate([5, 6, 7, 8, 9], options).Completion(0).ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Rows_can_be_selected_in_the_middle(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        var prompt = new ModelInputs { InputIds = TinyModels.Ids([.. TinyModels.Prompt.Select(i => (long)i)]) };
        using var one = DecodingSession.Start(model, prompt);
        using var two = DecodingSession.Start(model, prompt);
        two.SelectRows([0, 0, 0]);
        two.Rows.Should().Be(3);
        two.Step([5, 6, 7], default);
        two.SelectRows([2, 0]);
        two.Step([9, 9], default);
        one.Step([7], default);
        one.Step([9], default);
        Close(two.Logits(0).ToArray(), one.Logits(0).ToArray());
        FluentActions.Invoking(() => two.SelectRows([2])).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_prompt_that_leaves_no_room_is_refused(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        int[] prompt = [.. Enumerable.Repeat(5, 62), 93, 90];
        FluentActions.Invoking(() => model.Generate(prompt, new GenerationConfig { MaxNewTokens = 5 }))
            .Should().Throw<PromptTooLongException>().Which.Should().Match<PromptTooLongException>(e => e.PromptTokens == 64 && e.LimitTokens == 64);
    }

    [Fact]
    public void An_answer_ends_where_the_positions_end()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        var result = model.Generate([5, 6], new GenerationConfig { MaxNewTokens = 1000, EosTokenId = [] });
        result.Sequences[0].Should().HaveCount(64);
        result.FinishReasons[0].Should().Be(FinishReason.Length);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void NaN_weights_are_a_clear_error(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        model.NamedParameters().First(p => p.Name.EndsWith("final_layernorm.weight")).Parameter.AsSpan<float>().Fill(float.NaN);
        FluentActions.Invoking(() => model.Generate(TinyModels.Prompt, new GenerationConfig { MaxNewTokens = 5 })).Should().Throw<InvalidLogitsException>().WithMessage("*NaN*");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Cancelling_stops_within_a_token(int generation)
    {
        using var model = TinyModels.Create(TinyModels.Of(generation));
        using var stop = new CancellationTokenSource();
        var seen = 0;
        var prompt = new ModelInputs { InputIds = TinyModels.Ids([.. TinyModels.Prompt.Select(i => (long)i)]) };
        FluentActions.Invoking(() => model.Generate(prompt, new GenerationConfig { MaxNewTokens = 50, EosTokenId = [] }, onToken: (_, _) => { if (++seen == 3) stop.Cancel(); }, cancellationToken: stop.Token))
            .Should().Throw<OperationCanceledException>();
        seen.Should().Be(3);
        FluentActions.Invoking(() => model.Generate(prompt, new GenerationConfig { MaxNewTokens = 50 }, cancellationToken: stop.Token)).Should().Throw<OperationCanceledException>();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Recomputing_layers_gives_the_same_gradients_and_the_same_dropout(int generation)
    {
        var config = TinyModels.Of(generation) with { PreSeqLen = 3 };
        if (config is ChatGLM2Config second)
            config = second with { HiddenDropout = 0.1, AttentionDropout = 0.1 };
        var gradients = new List<float[]>();
        foreach (var checkpointing in new[] { false, true })
        {
            using var model = TinyModels.Create(config);
            model.RequiresGrad(true);
            model.Train();
            model.GradientCheckpointing = checkpointing;
            var ids = TinyModels.Ids([.. TinyModels.Prompt.Select(i => (long)i)]);
            model.Forward(new ModelInputs { InputIds = ids, Labels = ids }).Loss!.Backward();
            gradients.Add([.. model.NamedParameters().SelectMany(p => p.Parameter.Grad!.ToFloatArray())]);
        }

        Close(gradients[1], gradients[0]);
    }

    [Theory]
    [InlineData("regression", 1)]
    [InlineData("regression", 3)]
    [InlineData("single_label_classification", 3)]
    [InlineData("multi_label_classification", 3)]
    public void A_classifier_has_the_loss_of_its_problem_type(string problem, int labels)
    {
        using var model = AutoModelForSequenceClassification.FromConfig(TinyModels.Second with { NumLabels = labels, ProblemType = problem }, new ModelOptions { Seed = 5 });
        var ids = Tensor.From(new long[] { 5, 6, 7, 8, 9, 10 }, [2, 3]);
        var target = problem == "single_label_classification"
            ? Tensor.From(new long[] { 2, 0 }, [2])
            : Tensor.From(Enumerable.Range(0, 2 * labels).Select(i => (float)(i % 2)).ToArray(), [2, labels]);
        var result = model.Forward(new ModelInputs { InputIds = ids, Labels = target });
        var x = result.Logits.ToFloatArray().Select(v => (double)v).ToArray();
        var expected = problem switch
        {
            "regression" => Enumerable.Range(0, x.Length).Average(i => Math.Pow(x[i] - (i % 2), 2)),
            "multi_label_classification" => Enumerable.Range(0, x.Length).Average(i => -((i % 2) * Math.Log(1 / (1 + Math.Exp(-x[i])))) - ((1 - (i % 2)) * Math.Log(1 - (1 / (1 + Math.Exp(-x[i])))))),
            _ => new[] { (0, 2), (1, 0) }.Average(p => Math.Log(Enumerable.Range(0, 3).Sum(c => Math.Exp(x[(p.Item1 * 3) + c]))) - x[(p.Item1 * 3) + p.Item2]),
        };
        result.Loss!.Item().Should().BeApproximately((float)expected, 1e-5f);
        result.Loss.Backward();
        model.NamedParameters().Single(p => p.Name == "classifier_head.weight").Parameter.Grad!.ToFloatArray().Should().Contain(g => g != 0);
    }

    [Fact]
    public void A_classifier_judges_by_the_last_token()
    {
        using var model = AutoModelForSequenceClassification.FromConfig(TinyModels.Second, new ModelOptions { Seed = 5 });
        using var noGrad = GradMode.NoGrad();
        var padded = new ModelInputs
        {
            InputIds = TinyModels.Ids(0, 0, 5, 6, 7),
            AttentionMask = TinyModels.Ids(0, 0, 1, 1, 1),
            PositionIds = TinyModels.Ids(0, 0, 0, 1, 2),
        };
        Close(model.Forward(padded).Logits.ToFloatArray(), model.Forward(TinyModels.Ids(5, 6, 7)).Logits.ToFloatArray());
    }

    private static void Refuses(PreTrainedModel model, ModelInputs inputs, string input) =>
        FluentActions.Invoking(() => model.Forward(inputs)).Should().Throw<ModelInputException>().Which.Input.Should().Be(input);

    private static void Close(float[] actual, float[] expected)
    {
        actual.Should().HaveSameCount(expected);
        for (var i = 0; i < expected.Length; i++)
            Math.Abs(actual[i] - expected[i]).Should().BeLessThanOrEqualTo(1e-5f + (1e-4f * Math.Abs(expected[i])), "element {0}: {1} and {2}", i, actual[i], expected[i]);
    }
}
