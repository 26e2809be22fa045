using System.Text;
using System.Text.Json;

namespace ChatGLM.Peft.Tests.Prompts;

public sealed class PromptConfigTests
{
    [Fact]
    public void Defaults_are_pefts()
    {
        var prefix = new PrefixTuningConfig { NumVirtualTokens = 8 };
        (prefix.PrefixProjection, prefix.EncoderHiddenSize, prefix.TokenDim, prefix.InferenceMode).Should().Be((false, null, null, false));
        var prompt = new PromptTuningConfig { NumVirtualTokens = 8 };
        (prompt.PromptTuningInit, prompt.PromptTuningInitText, prompt.TokenizerNameOrPath).Should().Be((PromptTuningInit.Random, null, null));
        var encoder = new PromptEncoderConfig { NumVirtualTokens = 8 };
        (encoder.EncoderReparameterizationType, encoder.EncoderNumLayers, encoder.EncoderDropout).Should().Be((PromptEncoderReparameterizationType.Mlp, 2, 0.0));
    }

    [Fact]
    public void A_new_file_has_the_fields_that_peft_writes()
    {
        Fields(new PrefixTuningConfig { NumVirtualTokens = 8, TaskType = TaskType.CausalLM }).Should().Equal(
            "auto_mapping", "base_model_name_or_path", "encoder_hidden_size", "inference_mode", "num_attention_heads", "num_layers", "num_transformer_submodules", "num_virtual_tokens", "peft_type", "prefix_projection", "revision", "task_type", "token_dim");
        Fields(new PromptTuningConfig { NumVirtualTokens = 8 }).Should().Contain(["prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_name_or_path", "tokenizer_kwargs"]).And.NotContain(["target_modules", "modules_to_save"]);
        Fields(new PromptEncoderConfig { NumVirtualTokens = 8 }).Should().Contain(["encoder_reparameterization_type", "encoder_hidden_size", "encoder_num_layers", "encoder_dropout"]);
    }

    [Theory]
    [InlineData("""{"peft_type": "PREFIX_TUNING"}""", "num_virtual_tokens")]
    [InlineData("""{"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 0}""", "num_virtual_tokens")]
    [InlineData("""{"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 2000000000}""", "num_virtual_tokens")]
    [InlineData("""{"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4, "encoder_hidden_size": -1}""", "encoder_hidden_size")]
    [InlineData("""{"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4, "num_transformer_submodules": 2}""", "num_transformer_submodules")]
    [InlineData("""{"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4, "prompt_tuning_init": "MAGIC"}""", "prompt_tuning_init")]
    [InlineData("""{"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4, "target_modules": ["dense"]}""", "target_modules")]
    [InlineData("""{"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4, "modules_to_save": ["dense"]}""", "modules_to_save")]
    [InlineData("""{"peft_type": "P_TUNING", "num_virtual_tokens": 4, "encoder_reparameterization_type": "GRU"}""", "encoder_reparameterization_type")]
    [InlineData("""{"peft_type": "P_TUNING", "num_virtual_tokens": 4, "encoder_num_layers": 0}""", "encoder_num_layers")]
    [InlineData("""{"peft_type": "P_TUNING", "num_virtual_tokens": 4, "encoder_dropout": 1.0}""", "encoder_dropout")]
    [InlineData("""{"peft_type": "P_TUNING", "num_virtual_tokens": "4"}""", "num_virtual_tokens")]
    public void Values_that_no_adapter_can_have_are_refused(string json, string field) =>
        FluentActions.Invoking(() => PeftConfig.FromJson(Encoding.UTF8.GetBytes(json))).Should().Throw<AdapterConfigException>().Which.Field.Should().Be(field);

    [Fact]
    public void Unknown_fields_and_those_of_later_versions_are_kept()
    {
        const string Json = """{"init_weights": "zero", "later": [1, {"a": null}], "num_virtual_tokens": 4, "peft_type": "PREFIX_TUNING", "peft_version": "0.18.0"}""";
        var again = JsonDocument.Parse(PeftConfig.FromJson(Encoding.UTF8.GetBytes(Json)).ToJson()).RootElement;
        again.GetProperty("init_weights").GetString().Should().Be("zero");
        again.GetProperty("peft_version").GetString().Should().Be("0.18.0");
        again.GetProperty("later").GetArrayLength().Should().Be(2);
    }

    private static IEnumerable<string> Fields(PeftConfig config) => JsonDocument.Parse(config.ToJson()).RootElement.EnumerateObject().Select(p => p.Name).ToList();
}
