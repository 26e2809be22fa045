using System.Text;

namespace ChatGLM.Peft.Tests;

public sealed class LoraConfigTests
{
    [Fact]
    public void Writes_a_new_configuration_as_peft_does() =>
        new LoraConfig { R = 4, LoraAlpha = 32, TargetModules = ["query_key_value", "层"], LoraDropout = 0.1f, TaskType = TaskType.CausalLM, UseDora = true, RankPattern = new Dictionary<string, int> { ["b"] = 2, ["a"] = 3 } }
            .ToJson().Should().Be("""
            {
              "alpha_pattern": {},
              "auto_mapping": null,
              "base_model_name_or_path": null,
              "bias": "none",
              "fan_in_fan_out": false,
              "inference_mode": false,
              "init_lora_weights": true,
              "layer_replication": null,
              "layers_pattern": null,
              "layers_to_transform": null,
              "loftq_config": {},
              "lora_alpha": 32,
              "lora_dropout": 0.1,
              "megatron_config": null,
              "megatron_core": "megatron.core",
              "modules_to_save": null,
              "peft_type": "LORA",
              "r": 4,
              "rank_pattern": {
                "a": 3,
                "b": 2
              },
              "revision": null,
              "target_modules": [
                "query_key_value",
                "\u5c42"
              ],
              "task_type": "CAUSAL_LM",
              "use_dora": true,
              "use_rslora": false
            }
            """.ReplaceLineEndings("\n"));

    [Fact]
    public void Keeps_unknown_fields_and_adds_none_that_are_not_needed()
    {
        const string Text = """
            {
              "bias": "all",
              "from_the_future": {
                "a": [
                  1,
                  2.50
                ]
              },
              "lora_alpha": 1.5,
              "peft_type": "LORA",
              "r": 8
            }
            """;
        var config = (LoraConfig)Parse(Text);
        config.Bias.Should().Be(LoraBias.All);
        var written = (config with { UseRslora = true }).ToJson();
        written.Should().Contain("\"from_the_future\": {\n    \"a\": [\n      1,\n      2.50\n    ]\n  }").And.Contain("\"lora_alpha\": 1.5").And.Contain("\"use_rslora\": true");
        written.Should().NotContain("use_dora").And.NotContain("megatron");
    }

    [Fact]
    public void Every_field_survives_a_round_trip()
    {
        var config = new LoraConfig
        {
            R = 3, LoraAlpha = 7, LoraDropout = 0.25f, Bias = LoraBias.LoraOnly, TaskType = TaskType.Seq2SeqLM, InferenceMode = true, FanInFanOut = true, BaseModelNameOrPath = "base", Revision = "v1",
            InitLoraWeights = InitLoraWeights.Gaussian, LayersToTransform = [0, 2], LayersPattern = ["layers", "blocks"], TargetModules = ["dense"], ModulesToSave = ["lm_head"], UseRslora = true, UseDora = true,
            RankPattern = new Dictionary<string, int> { ["x"] = 1 }, AlphaPattern = new Dictionary<string, double> { ["y"] = 0.5 },
        };
        Parse(config.ToJson()).Should().BeEquivalentTo(config, options => options.Excluding(c => c.Origin).Excluding(c => c.Original).RespectingRuntimeTypes());
    }

    [Theory]
    [InlineData("", "bytes")]
    [InlineData("[]", "JSON object")]
    [InlineData("{\"peft_type\": \"LORA\", ", "not valid JSON")]
    [InlineData("{\"r\": 4}", "peft_type")]
    [InlineData("{\"peft_type\": \"POLY\"}", "POLY")]
    [InlineData("{\"peft_type\": \"LORA\", \"r\": 0}", "'r'")]
    [InlineData("{\"peft_type\": \"LORA\", \"r\": \"8\"}", "'r'")]
    [InlineData("{\"peft_type\": \"LORA\", \"lora_dropout\": 1}", "lora_dropout")]
    [InlineData("{\"peft_type\": \"LORA\", \"lora_alpha\": 1e999}", "lora_alpha")]
    [InlineData("{\"peft_type\": \"LORA\", \"bias\": \"some\"}", "bias")]
    [InlineData("{\"peft_type\": \"LORA\", \"task_type\": \"DANCE\"}", "task_type")]
    [InlineData("{\"peft_type\": \"LORA\", \"target_modules\": [1]}", "target_modules")]
    [InlineData("{\"peft_type\": \"LORA\", \"init_lora_weights\": \"loftq\"}", "init_lora_weights")]
    [InlineData("{\"peft_type\": \"LORA\", \"rank_pattern\": {\"a\": 2.5}}", "rank_pattern")]
    [InlineData("{\"peft_type\": \"LORA\", \"x\": \"\\ud800\"}", "surrogate")]
    [InlineData("{\"peft_type\": \"LORA\", \"layer_replication\": [[0, 2]]}", "layer_replication")]
    public void Refuses_what_no_adapter_can_have(string text, string named) =>
        FluentActions.Invoking(() => Parse(text)).Should().Throw<AdapterConfigException>().WithMessage($"*{named}*");

    private static PeftConfig Parse(string text) => PeftConfig.FromJson(Encoding.UTF8.GetBytes(text), "test.json");
}
