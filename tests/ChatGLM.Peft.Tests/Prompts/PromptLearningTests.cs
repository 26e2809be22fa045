using ChatGLM.Chat;
using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Peft.Tests.Prompts;

/// <summary>Every method of virtual tokens over both families of models: what peft promises of all of them.</summary>
public sealed class PromptLearningTests
{
    private static readonly GenerationConfig Greedy = new() { MaxNewTokens = 5, EosTokenId = [] };

    private static readonly Dictionary<string, PromptLearningConfig> All = new()
    {
        ["prefix"] = new PrefixTuningConfig { NumVirtualTokens = 4 },
        ["projected prefix"] = new PrefixTuningConfig { NumVirtualTokens = 4, PrefixProjection = true, EncoderHiddenSize = 12 },
        ["prompt"] = new PromptTuningConfig { NumVirtualTokens = 5 },
        ["sampled prompt"] = new PromptTuningConfig { NumVirtualTokens = 5, PromptTuningInit = PromptTuningInit.SampleVocab },
        ["mlp"] = new PromptEncoderConfig { NumVirtualTokens = 3 },
        ["lstm"] = new PromptEncoderConfig { NumVirtualTokens = 3, EncoderReparameterizationType = PromptEncoderReparameterizationType.Lstm, EncoderHiddenSize = 7 },
    };

    public static TheoryData<string, int> Matrix
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (var name in All.Keys)
            {
                data.Add(name, 1);
                data.Add(name, 2);
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(Matrix))]
    public void Trains_itself_alone_and_the_same_with_layers_recomputed(string name, int generation)
    {
        var gradients = new List<Dictionary<string, float[]>>();
        foreach (var recomputes in new[] { false, true })
        {
            using var model = TinyModels.Create(generation);
            using var peft = model.GetPeftModel(All[name]);
            peft.Train();
            model.GradientCheckpointing = recomputes;
            var trained = peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).ToList();
            trained.Should().NotBeEmpty().And.OnlyContain(p => p.Name.StartsWith("prompt_encoder.default."));
            peft.CountParameters().Trainable.Should().Be(trained.Sum(p => p.Parameter.ElementCount));
            using (new TensorScope())
                peft.Forward(TinyModels.Inputs(rows: 2)).Loss!.Backward();
            peft.BaseModel.NamedParameters().Should().OnlyContain(p => p.Parameter.Grad == null);
            gradients.Add(trained.ToDictionary(p => p.Name, p => p.Parameter.Grad!.ToFloatArray()));
            gradients[^1].Values.Should().OnlyContain(g => g.Any(v => v != 0));
        }

        foreach (var (key, values) in gradients[0])
            gradients[1][key].Should().Equal(values, "recomputing changes no bit of {0}", key);
    }

    [Theory, MemberData(nameof(Matrix))]
    public void Learns_and_comes_back_from_its_file(string name, int generation)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(generation);
        var plain = TinyModels.Logits(model);
        using var peft = model.GetPeftModel(All[name]);
        peft.Train();
        var losses = new List<float>();
        using (var optimizer = new AdamW(peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Parameter), new AdamWOptions { LearningRate = 0.05 }))
        {
            for (var step = 0; step < 12; step++)
            {
                using var scope = new TensorScope();
                var loss = peft.Forward(TinyModels.Inputs()).Loss!;
                losses.Add(loss.Item());
                loss.Backward();
                optimizer.Step();
                optimizer.ZeroGrad();
            }
        }

        losses[^1].Should().BeLessThan(losses[0]);
        peft.Eval();
        peft.SavePretrained(folder.Path);
        using (var written = Checkpoint.OpenFirst(folder.Path, "adapter_model.safetensors"))
            written.Entries.Keys.Should().Equal("prompt_embeddings");
        using var other = TinyModels.Create(generation);
        using var again = PeftModel.FromPretrained(other, folder.Path);
        again.CountParameters().Trainable.Should().Be(0, "what is loaded is used, not trained");
        TinyModels.LargestDifference(TinyModels.Logits(other), TinyModels.Logits(model)).Should().BeLessThan(1e-4);
        TinyModels.Logits(model).Length.Should().Be(plain.Length + (All[name] is PrefixTuningConfig ? 0 : All[name].NumVirtualTokens * 96));
        other.Generate(Prompt(), Greedy).Sequences[0].Should().Equal(model.Generate(Prompt(), Greedy).Sequences[0]);
        again.Unload().Should().BeSameAs(other);
        other.SoftPrompt.Should().BeNull();
        TinyModels.Logits(other).Should().Equal(plain);
    }

    [Theory, MemberData(nameof(Matrix))]
    public void A_cached_answer_is_the_answer_of_whole_passes(string name, int generation)
    {
        using var model = TinyModels.Create(generation);
        using var peft = model.GetPeftModel(All[name]);
        var answer = peft.Generate(TinyModels.Inputs() with { Labels = null }, Greedy).Sequences[0];
        var text = answer[..9].Select(id => (long)id).ToList();
        using var noGrad = GradMode.NoGrad();
        foreach (var token in answer[9..])
        {
            using var scope = new TensorScope();
            var logits = peft.Forward(new ModelInputs { InputIds = Tensor.From(text.ToArray(), [1, text.Count]), LastLogitsOnly = true }).Logits.ToFloatArray();
            Array.IndexOf(logits, logits.Max()).Should().Be(token);
            text.Add(token);
        }
    }

    [Theory, MemberData(nameof(Matrix))]
    public void Works_over_a_base_of_four_bits(string name, int generation)
    {
        using var model = TinyModels.Create(generation);
        model.Quantize(4);
        using var peft = model.GetPeftModel(All[name]);
        using var scope = new TensorScope();
        peft.Forward(TinyModels.Inputs(rows: 2)).Loss!.Backward();
        peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Should().NotBeEmpty().And.OnlyContain(p => p.Parameter.Grad != null);
        peft.Generate(TinyModels.Inputs() with { Labels = null }, Greedy).Completion(0).ToArray().Should().HaveCount(5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Several_stand_beside_each_other_and_beside_adapters_in_the_layers(int generation)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(generation);
        var plain = TinyModels.Logits(model);
        using var peft = model.GetPeftModel(All["prefix"], "first");
        var first = TinyModels.Logits(model);
        peft.AddAdapter("second", All["lstm"]);
        peft.AddAdapter("layers", new LoraConfig { R = 2, TargetModules = ["query_key_value"], InitLoraWeights = InitLoraWeights.Random });
        TinyModels.Logits(model).Should().Equal(first, "a new adapter is not active");
        peft.SetAdapter("second");
        var second = TinyModels.Logits(model);
        second.Should().HaveCount(plain.Length + (3 * 96));
        peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Should().OnlyContain(p => p.Name.StartsWith("prompt_encoder.second."));
        peft.SetAdapter("first", "layers");
        var both = TinyModels.Logits(model);
        both.Should().NotEqual(first);
        using (peft.DisableAdapter())
        {
            TinyModels.Logits(model).Should().Equal(plain);
            peft.SetAdapter("second");
            TinyModels.Logits(model).Should().Equal(plain, "what is chosen while switched off stays off");
        }

        TinyModels.Logits(model).Should().Equal(second);
        peft.Invoking(p => p.SetAdapter("first", "second")).Should().Throw<AdapterNameException>().WithMessage("*second*first*only one*");
        peft.ActiveAdapters.Should().Equal("second");
        peft.Invoking(p => p.MergeAdapter()).Should().Throw<AdapterMergeException>().WithMessage("*second*PTuning*");
        peft.Invoking(p => p.MergeAndUnload()).Should().Throw<AdapterMergeException>();
        TinyModels.Logits(model).Should().Equal(second);
        peft.Invoking(p => p.AddWeightedAdapter(["first", "second"], [1, 1], "mixed")).Should().Throw<AdapterMergeException>();
        peft.SavePretrained(folder.Path);
        Directory.EnumerateDirectories(folder.Path).Select(Path.GetFileName).Should().BeEquivalentTo("first", "second", "layers");
        peft.DeleteAdapter("second");
        peft.ActiveAdapters.Should().Equal("first");
        TinyModels.Logits(model).Should().Equal(first);
        peft.NamedParameters().Should().NotContain(p => p.Name.Contains(".second."));
        peft.LoadAdapter(folder["second"], "second");
        peft.SetAdapter("second");
        TinyModels.LargestDifference(TinyModels.Logits(model), second).Should().BeLessThan(1e-5);
        peft.DeleteAdapter("second");
        peft.DeleteAdapter("first");
        peft.DeleteAdapter("layers");
        TinyModels.Logits(model).Should().Equal(plain);
    }

    [Fact]
    public void Values_are_set_where_they_are_parameters_and_refused_where_a_network_makes_them()
    {
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(All["prompt"]);
        var values = Tensor.From(Enumerable.Range(0, 5 * 32).Select(i => i / 100f).ToArray(), [5, 32]);
        peft.SetPeftModelStateDict(new Dictionary<string, Tensor> { ["prompt_embeddings"] = values });
        peft.GetPeftModelStateDict()["prompt_embeddings"].ToFloatArray().Should().Equal(values.ToFloatArray());
        peft.AddAdapter("made", All["mlp"]);
        peft.Invoking(p => p.SetPeftModelStateDict(p.GetPeftModelStateDict("made"), "made")).Should().Throw<AdapterWeightsException>().WithMessage("*network*");
    }

    [Fact]
    public void Training_goes_on_from_a_file_that_holds_the_parameters_and_from_no_other()
    {
        using var folder = new TemporaryFolder();
        foreach (var (name, config) in All)
        {
            using var model = TinyModels.Create(2);
            using (var peft = TinyModels.Create(2).GetPeftModel(config))
                peft.SavePretrained(folder.Path);
            if (config.IsReparameterized)
            {
                FluentActions.Invoking(() => PeftModel.FromPretrained(model, folder.Path, isTrainable: true)).Should().Throw<AdapterConfigException>().WithMessage("*training cannot go on*", name);
                model.SoftPrompt.Should().BeNull();
                continue;
            }

            using var again = PeftModel.FromPretrained(model, folder.Path, isTrainable: true);
            again.CountParameters().Trainable.Should().Be(again.GetPeftModelStateDict().Values.Single().ElementCount, name);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void What_does_not_fit_is_refused_and_the_model_is_left_as_it_was(int generation)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(generation);
        var before = TinyModels.Snapshot(model);
        var state = model.Generator.GetState();
        using (var peft = TinyModels.Create(generation).GetPeftModel(All["prefix"]))
            peft.SavePretrained(folder.Path);
        var saved = (PrefixTuningConfig)PeftConfig.FromPretrained(folder.Path);

        Refuses<AdapterWeightsException>(saved with { NumVirtualTokens = 3 }).Message.Should().Contain("[3, ").And.Contain("[4, ").And.Contain("num_virtual_tokens");
        Refuses<AdapterConfigException>(saved with { TokenDim = 24 }).Field.Should().Be("token_dim");
        Refuses<AdapterConfigException>(saved with { NumAttentionHeads = 8 }).Field.Should().Be("num_attention_heads");
        Refuses<AdapterConfigException>(saved with { NumLayers = 28 }).Field.Should().Be("num_layers");
        Refuses<AdapterWeightsException>(new PromptTuningConfig { NumVirtualTokens = 4, InferenceMode = true }).Message.Should().Contain("prompt_embeddings");
        Refuses<AdapterWeightsException>(new LoraConfig { R = 2, TargetModules = ["query_key_value"], InferenceMode = true }).Unexpected.Should().Equal("prompt_embeddings");
        File.Delete(folder["adapter_model.safetensors"]);
        Refuses<CheckpointException>(saved);
        FluentActions.Invoking(() => model.GetPeftModel(new PromptTuningConfig { NumVirtualTokens = 64 })).Should().Throw<AdapterConfigException>().WithMessage("*64*positions*");
        FluentActions.Invoking(() => model.GetPeftModel(new PromptTuningConfig { NumVirtualTokens = 4, PromptTuningInit = PromptTuningInit.Text })).Should().Throw<AdapterConfigException>().WithMessage("*prompt_tuning_init_text*");

        TError Refuses<TError>(PeftConfig config)
            where TError : Exception
        {
            config.SavePretrained(folder.Path);
            var error = FluentActions.Invoking(() => model.LoadAdapter(folder.Path)).Should().Throw<TError>().Which;
            model.SoftPrompt.Should().BeNull();
            TinyModels.Snapshot(model).ShouldBe(before);
            model.NamedModules().Should().NotContain(m => m.Module is Peft.Tuners.ITunerLayer);
            model.Generator.GetState().Should().Equal(state);
            return error;
        }
    }

    [Fact]
    public void A_small_file_cannot_ask_for_much_memory()
    {
        using var folder = new TemporaryFolder();
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var model = AutoModel.FromConfig(TinyModels.Second, new ModelOptions { Backend = backend });
        using (var peft = TinyModels.Create(2).GetPeftModel(All["prefix"]))
            peft.SavePretrained(folder.Path);
        ((PrefixTuningConfig)PeftConfig.FromPretrained(folder.Path) with { NumVirtualTokens = 65536 }).SavePretrained(folder.Path);
        var bytes = backend.Memory.PeakLoanedBytes;
        model.Invoking(m => m.LoadAdapter(folder.Path)).Should().Throw<AdapterWeightsException>().WithMessage("*[65536, 64]*[4, 64]*");
        backend.Memory.PeakLoanedBytes.Should().Be(bytes);
    }

    [Fact]
    public void A_model_has_room_for_one_prefix()
    {
        using var prefixed = AutoModel.FromConfig(TinyModels.Second with { PreSeqLen = 3 });
        prefixed.Invoking(m => m.GetPeftModel(All["prefix"])).Should().Throw<AdapterConfigException>().WithMessage("*RemovePrefix*");
        using var both = prefixed.GetPeftModel(All["prompt"]);
        TinyModels.Logits(prefixed).Should().HaveCount((5 + 9) * 96, "virtual tokens stand behind a prefix as words do");
        prefixed.Invoking(m => m.GetPeftModel(All["prompt"])).Should().Throw<TargetModulesException>().WithMessage("*adapters already*");
        both.Unload();
        prefixed.RemovePrefix().Should().BeTrue();
        using var alone = prefixed.GetPeftModel(All["prefix"]);
    }

    [Fact]
    public void Text_begins_as_its_words_cut_or_repeated()
    {
        var tokenizer = Tokenizer();
        using var model = AutoModel.FromConfig(TinyModels.Second with { PaddedVocabSize = tokenizer.VocabSize + 8 });
        var ids = tokenizer.Encode("你好 数据");
        ids.Length.Should().BeGreaterThan(3);
        var words = model.NamedParameters().First(p => p.Name == "transformer.embedding.word_embeddings.weight").Parameter.ToFloatArray();
        foreach (var count in new[] { 3, (2 * ids.Length) + 1 })
        {
            var peft = model.GetPeftModel(new PromptTuningConfig { NumVirtualTokens = count, PromptTuningInit = PromptTuningInit.Text, PromptTuningInitText = "你好 数据", Tokenizer = tokenizer });
            var rows = peft.GetPeftModelStateDict()["prompt_embeddings"].ToFloatArray();
            for (var i = 0; i < count; i++)
                rows[(i * 32)..((i + 1) * 32)].Should().Equal(words[(ids[i % ids.Length] * 32)..((ids[i % ids.Length] + 1) * 32)], "of virtual token {0}", i);
            ((PromptTuningConfig)peft.PeftConfigs["default"]).TokenizerNameOrPath.Should().Be(tokenizer.NameOrPath);
            peft.Unload();
        }
    }

    [Fact]
    public void Sampled_words_are_those_of_torch_randint()
    {
        using var model = TinyModels.Create(2, DType.BFloat16);
        model.Generator.ManualSeed(5);
        var (witness, table, words) = (new TorchGenerator(5), new float[5 * 32], new long[5]);
        witness.Normal(table); // nn.Embedding draws first, and is overwritten
        witness.RandInt(words, 0, 96);
        using var peft = model.GetPeftModel(All["sampled prompt"]);
        var embeddings = model.NamedParameters().First(p => p.Name == "transformer.embedding.word_embeddings.weight").Parameter.ToFloatArray();
        var rows = peft.GetPeftModelStateDict()["prompt_embeddings"];
        rows.DType.Should().Be(DType.Float32);
        rows.ToFloatArray().Should().Equal(words.SelectMany(w => embeddings[(int)(w * 32)..(int)((w + 1) * 32)]));
    }

    [Fact]
    public void A_classifiers_head_is_trained_and_saved_with_virtual_tokens()
    {
        using var folder = new TemporaryFolder();
        using var snapshot = new TemporaryFolder();
        using (var model = TinyModels.Create(2))
            model.SavePretrained(snapshot.Path);
        using var classifier = AutoModelForSequenceClassification.FromPretrained(snapshot.Path);
        using var peft = classifier.GetPeftModel(All["prompt"] with { TaskType = TaskType.SequenceClassification });
        peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Name).Should().Contain(n => n.Contains("classifier_head"));
        peft.SavePretrained(folder.Path);
        using (var written = Checkpoint.OpenFirst(folder.Path, "adapter_model.safetensors"))
            written.Entries.Keys.Should().BeEquivalentTo("prompt_embeddings", "base_model.classifier_head.weight", "base_model.classifier_head.bias");
        using var other = AutoModelForSequenceClassification.FromPretrained(snapshot.Path, new ModelOptions { Seed = 99 });
        using var again = PeftModel.FromPretrained(other, folder.Path);
        var inputs = TinyModels.Inputs() with { Labels = null };
        again.Forward(inputs).Logits.ToFloatArray().Should().Equal(peft.Forward(inputs).Logits.ToFloatArray());
    }

    [Fact]
    public void A_chat_goes_through_it()
    {
        var tokenizer = Tokenizer();
        using var model = AutoModel.FromConfig(TinyModels.Second with { PaddedVocabSize = tokenizer.VocabSize + 8, SeqLength = 512 });
        using var peft = model.GetPeftModel(All["prefix"]);
        var options = new ChatOptions { Generation = Greedy with { EosTokenId = null }, RawResponse = true };
        var history = new ChatHistory();
        var first = peft.Chat(tokenizer, "你好", history, options).Content;
        using (peft.DisableAdapter())
            peft.Chat(tokenizer, "你好", null, options).Content.Should().NotBe(first);
        using var session = peft.StartChat(tokenizer, new ChatHistory(history));
        session.Chat("数据", options).Content.Should().Be(peft.Chat(tokenizer, "数据", new ChatHistory(history), options).Content);
    }

    private static int[] Prompt() => [7, 21, 35, 8, 14, 93, 90];

    private static ChatGLMTokenizer Tokenizer()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(AppContext.BaseDirectory, "Data", "bpe.model"), folder["tokenizer.model"]);
        File.WriteAllText(folder["tokenizer_config.json"], """{"name_or_path": "THUDM/chatglm2-6b", "tokenizer_class": "ChatGLMTokenizer"}""");
        return AutoTokenizer.FromPretrained(folder.Path);
    }
}
