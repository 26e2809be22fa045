using System.Text;
using ChatGLM.Generation;

namespace ChatGLM.Core.Tests.Generation;

public sealed class GenerationConfigTests
{
    [Fact]
    public void Has_transformers_defaults()
    {
        var config = new GenerationConfig();
        (config.MaxLength, config.TopK, config.TopP, config.Temperature, config.NumBeams, config.DoSample).Should().Be((20, 50, 1.0, 1.0, 1, false));
        config.Validate();
    }

    [Fact]
    public void Reads_every_option()
    {
        var config = Read("""
            {"max_length": 100, "max_new_tokens": 7, "min_length": 1, "min_new_tokens": 2, "do_sample": true, "num_beams": 3, "early_stopping": "never",
             "length_penalty": 0.6, "num_return_sequences": 2, "temperature": 0.95, "top_k": 20, "top_p": 0.7, "min_p": 0.05, "typical_p": 0.9,
             "epsilon_cutoff": 3e-4, "eta_cutoff": 0.002, "repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "bad_words_ids": [[3], [4, 5]],
             "sequence_bias": [[[5], -3.0], [[6, 9], 4.5]], "suppress_tokens": [1, 9], "begin_suppress_tokens": [2], "forced_bos_token_id": 7,
             "forced_eos_token_id": 8, "exponential_decay_length_penalty": [2, 1.3], "remove_invalid_values": true, "renormalize_logits": true,
             "stop_strings": ["问"], "bos_token_id": 1, "eos_token_id": [2, 11], "pad_token_id": 0}
            """);
        config.Should().BeEquivalentTo(new GenerationConfig
        {
            MaxLength = 100, MaxNewTokens = 7, MinLength = 1, MinNewTokens = 2, DoSample = true, NumBeams = 3, EarlyStopping = EarlyStopping.Never,
            LengthPenalty = 0.6, NumReturnSequences = 2, Temperature = 0.95, TopK = 20, TopP = 0.7, MinP = 0.05, TypicalP = 0.9,
            EpsilonCutoff = 3e-4, EtaCutoff = 0.002, RepetitionPenalty = 1.2, NoRepeatNgramSize = 3, BadWordsIds = [[3], [4, 5]],
            SequenceBias = [new([5], -3), new([6, 9], 4.5)], SuppressTokens = [1, 9], BeginSuppressTokens = [2], ForcedBosTokenId = 7,
            ForcedEosTokenId = [8], ExponentialDecayLengthPenalty = (2, 1.3), RemoveInvalidValues = true, RenormalizeLogits = true,
            StopStrings = ["问"], BosTokenId = 1, EosTokenId = [2, 11], PadTokenId = 0,
        });
        config.AdditionalProperties.Should().BeEmpty();
        Read(Encoding.UTF8.GetString(config.ToJson())).Should().BeEquivalentTo(config);
    }

    [Fact]
    public void Writes_what_differs_from_the_defaults_and_what_it_did_not_know()
    {
        var config = Read("""{"transformers_version": "4.33.0", "_from_model_config": true, "top_p": 0.8, "eos_token_id": 2, "length_penalty": 2.0, "max_length": 20}""");
        Encoding.UTF8.GetString(config.ToJson()).Should().Be("""
            {
              "_from_model_config": true,
              "eos_token_id": 2,
              "length_penalty": 2.0,
              "top_p": 0.8,
              "transformers_version": "4.33.0"
            }

            """.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Null_switches_a_filter_off()
    {
        var config = Read("""{"top_k": null, "top_p": null, "temperature": null, "typical_p": null, "repetition_penalty": null, "eos_token_id": null, "early_stopping": null}""");
        config.TopK.Should().Be(0);
        LogitsProcessors.Warpers(config with { DoSample = true }).Count.Should().Be(0);
    }

    [Theory]
    [InlineData("""{"top_p": "0.7"}""", "top_p")]
    [InlineData("""{"top_k": 1.5}""", "top_k")]
    [InlineData("""{"max_length": 1e12}""", "max_length")]
    [InlineData("""{"temperature": 1e999}""", "temperature")]
    [InlineData("""{"do_sample": 1}""", "do_sample")]
    [InlineData("""{"eos_token_id": "2"}""", "eos_token_id")]
    [InlineData("""{"eos_token_id": [2, "x"]}""", "eos_token_id")]
    [InlineData("""{"bad_words_ids": [3]}""", "bad_words_ids")]
    [InlineData("""{"sequence_bias": [[[1]]]}""", "sequence_bias")]
    [InlineData("""{"early_stopping": "always"}""", "early_stopping")]
    [InlineData("""{"exponential_decay_length_penalty": [1]}""", "exponential_decay_length_penalty")]
    [InlineData("""{"stop_strings": [1]}""", "stop_strings")]
    public void Refuses_a_value_of_the_wrong_kind_and_names_the_option(string json, string field)
    {
        var error = FluentActions.Invoking(() => Read(json)).Should().Throw<GenerationConfigException>().Which;
        error.Field.Should().Be(field);
        error.Message.Should().Contain(field).And.Contain("test.json");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("{\"top_p\": 0.7")]
    public void Refuses_what_is_no_object(string json) => FluentActions.Invoking(() => Read(json)).Should().Throw<GenerationConfigException>();

    [Fact]
    public void Refuses_deep_nesting() =>
        FluentActions.Invoking(() => Read("{\"x\": " + new string('[', 100000) + new string(']', 100000) + "}")).Should().Throw<GenerationConfigException>();

    public static TheoryData<string, GenerationConfig> Unusable => new()
    {
        { "max_length", new() { MaxLength = 0 } },
        { "max_new_tokens", new() { MaxNewTokens = 0 } },
        { "min_length", new() { MinLength = -1 } },
        { "num_beams", new() { NumBeams = 0 } },
        { "top_k", new() { TopK = -1 } },
        { "top_p", new() { TopP = 1.1 } },
        { "top_p", new() { TopP = double.NaN } },
        { "min_p", new() { MinP = -0.1 } },
        { "typical_p", new() { TypicalP = 0 } },
        { "temperature", new() { Temperature = 0 } },
        { "temperature", new() { Temperature = 1e-60 } },
        { "temperature", new() { Temperature = double.NaN } },
        { "repetition_penalty", new() { RepetitionPenalty = -1 } },
        { "length_penalty", new() { LengthPenalty = double.PositiveInfinity } },
        { "bad_words_ids", new() { BadWordsIds = [[]] } },
        { "suppress_tokens", new() { SuppressTokens = [-1] } },
        { "sequence_bias", new() { SequenceBias = [new([], 1)] } },
        { "stop_strings", new() { StopStrings = [""] } },
        { "stop_strings", new() { StopStrings = ["x"], NumBeams = 2 } },
        { "num_return_sequences", new() { NumReturnSequences = 2 } },
        { "num_return_sequences", new() { NumReturnSequences = 3, NumBeams = 2 } },
        { "exponential_decay_length_penalty", new() { ExponentialDecayLengthPenalty = (1, 0) } },
        { "num_beam_groups", Read("""{"num_beam_groups": 2}""") },
        { "penalty_alpha", Read("""{"penalty_alpha": 0.6}""") },
        { "force_words_ids", Read("""{"force_words_ids": [[1]]}""") },
    };

    [Theory]
    [MemberData(nameof(Unusable))]
    public void Refuses_what_cannot_be_used_and_names_the_option(string field, GenerationConfig config) =>
        config.Invoking(c => c.Validate()).Should().Throw<GenerationConfigException>().Which.Field.Should().Be(field);

    [Fact]
    public void Passes_over_unsupported_options_that_are_switched_off() =>
        Read("""{"num_beam_groups": 1, "diversity_penalty": 0.0, "penalty_alpha": null, "force_words_ids": null, "use_cache": true}""").Validate();

    [Fact]
    public void Saves_and_loads_a_snapshots_options()
    {
        var folder = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
        try
        {
            var config = new GenerationConfig { DoSample = true, TopP = 0.7, EosTokenId = [2] };
            config.SavePretrained(folder);
            (config with { TopP = 0.8 }).SavePretrained(folder);
            GenerationConfig.FromPretrained(folder).Should().BeEquivalentTo(config with { TopP = 0.8 });
            Directory.GetFiles(folder).Should().ContainSingle("nothing is left beside the file");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Says_which_file_is_missing() =>
        FluentActions.Invoking(() => GenerationConfig.FromPretrained("/nowhere")).Should().Throw<GenerationConfigException>().WithMessage("*nowhere*generation_config.json*");

    private static GenerationConfig Read(string json) => GenerationConfig.FromJson(Encoding.UTF8.GetBytes(json), "test.json");
}
