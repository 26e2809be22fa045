using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Peft.Tests;

/// <summary>Rows of one batch through adapters of their own.</summary>
public sealed class RowAdaptersTests
{
    private const string Base = PeftModel.BaseAdapterName;

    private static LoraConfig Config(int rank) => new() { R = rank, LoraAlpha = 24, TargetModules = ["query_key_value", "dense", "word_embeddings"], InitLoraWeights = InitLoraWeights.Random };

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 0)]
    [InlineData(2, 8)]
    [InlineData(2, 4)]
    public void Each_row_answers_as_it_would_alone(int generation, int bits)
    {
        using var model = TinyModels.Create(generation);
        if (bits > 0)
            model.Quantize(bits);
        using var peft = Create(model, embeddings: bits == 0);
        string[] names = ["two", "one", Base, "one", "two", "partial"];
        var inputs = TinyModels.Inputs(names.Length) with { Labels = null };
        var mixed = peft.Forward(inputs, names).Logits.ToFloatArray();
        var width = mixed.Length / names.Length;
        for (var row = 0; row < names.Length; row++)
        {
            var found = mixed.AsSpan(row * width, width).ToArray();
            found.Should().Equal(WholeBatch(peft, inputs, names[row]).AsSpan(row * width, width).ToArray(), "row {0} goes through {1} as in a batch of its like, to the bit", row, names[row]);
            TinyModels.LargestDifference(found, Alone(peft, inputs, row, names[row])).Should().BeLessThan(2e-5, "as in a batch of one, to rounding");
        }

        peft.ActiveAdapters.Should().Equal("one");
        peft.Forward(inputs).Logits.ToFloatArray().Should().Equal(WholeBatch(peft, inputs, "one"), "the call leaves the active adapter as it was");
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(3, 2)]
    public void Generation_keeps_to_the_rows(int beams, int returned)
    {
        using var model = TinyModels.Create(2);
        using var peft = Create(model);
        var config = new GenerationConfig { MaxNewTokens = 8, DoSample = false, NumBeams = beams, NumReturnSequences = returned, EosTokenId = [95], PadTokenId = 0 };
        string[] names = [Base, "two", "one"];
        var inputs = new ModelInputs { InputIds = Tensor.From(new long[] { 7, 21, 35, 7, 21, 35, 7, 21, 35 }, [3, 3]) };
        var mixed = peft.Generate(inputs, names, config);
        mixed.Sequences.Should().HaveCount(3 * returned);
        var single = new ModelInputs { InputIds = Tensor.From(new long[] { 7, 21, 35 }, [1, 3]) };
        for (var row = 0; row < names.Length; row++)
        {
            var alone = peft.Generate(single, [names[row]], config);
            for (var i = 0; i < returned; i++)
                mixed.Sequences[(row * returned) + i].Should().Equal(alone.Sequences[i]);
        }

        mixed.Sequences[0].Should().NotEqual(mixed.Sequences[returned], "the adapters differ");
        using (peft.DisableAdapter())
            mixed.Sequences[0].Should().Equal(model.Generate(single, config).Sequences[0]);
    }

    [Fact]
    public void A_batch_of_questions_is_answered_as_one_after_the_other()
    {
        var tokenizer = AutoTokenizer.FromPretrained(SampleSnapshot());
        using var model = AutoModel.FromConfig(TinyModels.Second with { PaddedVocabSize = 3008, SeqLength = 128 }, new ModelOptions { Seed = 7 });
        using var peft = Create(model);
        var config = new GenerationConfig { MaxNewTokens = 6, DoSample = false };
        string[] queries = ["你好", "今天的天气怎么样？请用一句话回答。", "你好"];
        string[] names = ["two", Base, "one"];
        var together = peft.Chat(tokenizer, queries, names, config);
        for (var i = 0; i < queries.Length; i++)
        {
            using var rows = peft.UseAdapters(names[i]);
            var alone = peft.Chat(tokenizer, queries[i], options: new ChatOptions { Generation = config });
            (together[i].Content, together[i].PromptTokens, together[i].CompletionTokens, together[i].FinishReason)
                .Should().Be((alone.Content, alone.PromptTokens, alone.CompletionTokens, alone.FinishReason));
        }

        together[0].Content.Should().NotBe(together[2].Content);
        peft.Invoking(p => p.Chat(tokenizer, queries, ["one"], config)).Should().Throw<AdapterRowsException>();
    }

    [Fact]
    public async Task A_stream_goes_through_the_adapter_of_where_it_was_asked_for()
    {
        var tokenizer = AutoTokenizer.FromPretrained(SampleSnapshot());
        using var model = AutoModel.FromConfig(TinyModels.Second with { PaddedVocabSize = 3008, SeqLength = 128 }, new ModelOptions { Seed = 7 });
        using var peft = Create(model);
        var options = new ChatOptions { Generation = new GenerationConfig { MaxNewTokens = 6, DoSample = false } };
        var texts = await Task.WhenAll(new[] { "one", "two", Base }.Select(async name =>
        {
            using var rows = peft.UseAdapters(name);
            var text = "";
            await foreach (var piece in peft.StreamChatAsync(tokenizer, "你好", options: options))
                text += piece;
            return (text.Trim(), peft.Chat(tokenizer, "你好", options: options).Content);
        }));
        foreach (var (streamed, whole) in texts)
            streamed.Should().Be(whole);
        texts.Distinct().Should().HaveCount(3);
    }

    [Fact]
    public async Task Calls_on_several_threads_go_through_adapters_of_their_own()
    {
        using var model = TinyModels.Create(2);
        using var peft = Create(model);
        var inputs = TinyModels.Inputs(2) with { Labels = null };
        string[] names = ["one", "two", "partial", Base];
        var expected = names.Select(name => WholeBatch(peft, inputs, name)).ToArray();
        using var together = new Barrier(names.Length);
        var found = await Task.WhenAll(names.Select(name => Task.Factory.StartNew(
            () =>
            {
                using var rows = peft.UseAdapters(name);
                using var noGrad = GradMode.NoGrad();
                var all = new List<float[]>();
                for (var i = 0; i < 5; i++)
                {
                    together.SignalAndWait();
                    using var scope = new TensorScope();
                    all.Add(peft.Forward(inputs).Logits.ToFloatArray());
                }

                return all;
            },
            TaskCreationOptions.LongRunning)));
        for (var i = 0; i < names.Length; i++)
            found[i].ForEach(logits => logits.Should().Equal(expected[i]));
        TinyModels.Logits(model).Should().NotBeEmpty();
    }

    [Fact]
    public void A_scope_ends_where_it_is_disposed_and_one_stands_in_another()
    {
        using var model = TinyModels.Create(2);
        using var peft = Create(model);
        var active = TinyModels.Logits(model);
        var outer = peft.UseAdapters("two");
        var two = TinyModels.Logits(model);
        using (peft.UseAdapters(Base))
            TinyModels.Logits(model).Should().NotEqual(two).And.NotEqual(active);
        TinyModels.Logits(model).Should().Equal(two);
        outer.Dispose();
        TinyModels.Logits(model).Should().Equal(active).And.NotEqual(two);
    }

    [Fact]
    public void What_rows_cannot_have_of_their_own_is_refused()
    {
        using var model = TinyModels.Create(2);
        using var peft = Create(model);
        peft.AddAdapter("dora", Config(2) with { TargetModules = ["dense"], UseDora = true });
        peft.AddAdapter("saved", Config(2) with { TargetModules = ["dense"], ModulesToSave = ["final_layernorm"] });
        peft.AddAdapter("pissa", Config(2) with { TargetModules = ["dense"], InitLoraWeights = InitLoraWeights.Pissa });
        var inputs = TinyModels.Inputs(2);
        peft.Invoking(p => p.Forward(inputs, ["one", "nobody"])).Should().Throw<AdapterNameException>().WithMessage("*nobody*one*");
        Refuses(["one"], "*1 adapters were named for 2 rows*");
        Refuses(["one", "one", "one"], "*3 adapters were named for 2 rows*");
        Refuses([], "*0 adapters*");
        Refuses(["one", "dora"], "*'dora'*DoRA*");
        Refuses(["one", "saved"], "*'saved'*modules_to_save*");
        Refuses(["one", "pissa"], "*'pissa'*SavePretrainedAsLora*");
        peft.SetAdapter("saved");
        Refuses(["one", Base], "*'saved'*active*");
        peft.SetAdapter("one");
        peft.MergeAdapter();
        Refuses(["one", Base], "*UnmergeAdapter*");
        peft.UnmergeAdapter();
        peft.Train();
        Refuses(["one", Base], "*training*");
        peft.Train(false);
        using (peft.UseAdapters("one", "two", "one"))
            peft.Invoking(p => p.Forward(inputs)).Should().Throw<AdapterRowsException>().WithMessage("*3 adapters*2 rows*");
        peft.Forward(inputs, ["one", Base]).Logits.Shape[0].Should().Be(2);
        peft.Invoking(p => p.AddAdapter(Base, Config(2))).Should().Throw<AdapterNameException>();

        void Refuses(string[] names, string why) => peft.Invoking(p => p.Forward(inputs, names)).Should().Throw<AdapterRowsException>().WithMessage(why);
    }

    private static PeftModelForCausalLM Create(ChatGLMForConditionalGeneration model, bool embeddings = true)
    {
        var config = embeddings ? Config(4) : Config(4) with { TargetModules = ["query_key_value", "dense"] };
        var peft = model.GetPeftModel(config, "one");
        peft.AddAdapter("two", config with { R = 2 });
        // Not in every layer that the others are in.
        peft.AddAdapter("partial", config with { TargetModules = ["dense"] });
        peft.Train(false);
        return peft;
    }

    private static float[] WholeBatch(PeftModel peft, ModelInputs inputs, string name)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        if (name == Base)
        {
            using (peft.DisableAdapter())
                return peft.Forward(inputs).Logits.ToFloatArray();
        }

        var before = peft.ActiveAdapters;
        peft.SetAdapter(name);
        var logits = peft.Forward(inputs).Logits.ToFloatArray();
        peft.SetAdapter(before);
        return logits;
    }

    private static float[] Alone(PeftModel peft, ModelInputs inputs, int row, string name)
    {
        using var scope = new TensorScope();
        return WholeBatch(peft, new ModelInputs { InputIds = Functional.Slice(inputs.InputIds, 0, row, 1) }, name);
    }

    private static string SampleSnapshot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "ChatGLM.sln")))
                return Path.Combine(at.FullName, "samples", "Snapshot");
        }

        throw new DirectoryNotFoundException($"No ChatGLM.sln above {AppContext.BaseDirectory}.");
    }
}
