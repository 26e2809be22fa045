using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

public sealed class TargetModulesTests
{
    [Theory]
    [InlineData(2, "all-linear", 9)] // four in each layer, and the output layer, which ChatGLM2's class does not declare
    [InlineData(1, "all-linear", 8)]
    [InlineData(2, @".*layers\.1\..*dense", 1)]
    [InlineData(2, @".*layers\.1\..*dense.*", 3)]
    [InlineData(2, @"(?!.*\.0\.).*query_key_value", 1)] // lookaround, which cannot run in linear time
    public void A_string_is_a_regular_expression_over_whole_paths(int generation, string pattern, int count)
    {
        using var peft = TinyModels.Create(generation).GetPeftModel(new LoraConfig { R = 2, TargetModules = pattern });
        peft.GetPeftModelStateDict().Keys.Count(key => key.EndsWith("lora_A.weight", StringComparison.Ordinal)).Should().Be(count);
    }

    [Fact]
    public void The_default_is_query_key_value()
    {
        using var peft = TinyModels.Create(2).GetPeftModel(new LoraConfig { R = 2 });
        peft.PeftConfigs["default"].TargetModules.Should().Equal("query_key_value");
        peft.GetPeftModelStateDict().Keys.Should().OnlyContain(key => key.Contains(".query_key_value.lora_"));
    }

    [Fact]
    public void Layers_and_patterns_choose_among_the_named()
    {
        var config = new LoraConfig
        {
            R = 4, LoraAlpha = 8, TargetModules = ["dense", "query_key_value"], LayersToTransform = [1], RankPattern = new Dictionary<string, int> { [@"layers\.1\.self_attention\.dense"] = 2 },
        };
        using var peft = TinyModels.Create(2).GetPeftModel(config);
        peft.GetPeftModelStateDict().ToDictionary(p => p.Key, p => p.Value.Shape.ToString()).Should().BeEquivalentTo(new Dictionary<string, string>
        {
            ["base_model.model.transformer.encoder.layers.1.self_attention.query_key_value.lora_A.weight"] = "[4, 32]",
            ["base_model.model.transformer.encoder.layers.1.self_attention.query_key_value.lora_B.weight"] = "[64, 4]",
            ["base_model.model.transformer.encoder.layers.1.self_attention.dense.lora_A.weight"] = "[2, 32]",
            ["base_model.model.transformer.encoder.layers.1.self_attention.dense.lora_B.weight"] = "[32, 2]",
        });
    }

    [Fact]
    public void No_match_names_what_was_probably_meant()
    {
        using var model = TinyModels.Create(2);
        var before = TinyModels.Snapshot(model);
        model.Invoking(m => m.GetPeftModel(new LoraConfig { TargetModules = ["querykey_value"] }))
            .Should().Throw<TargetModulesException>().WithMessage("*Modules that can take an adapter: query_key_value,*");
        Unchanged(model, before);
    }

    [Fact]
    public void A_module_that_takes_no_adapter_is_refused_by_name()
    {
        using var model = TinyModels.Create(2);
        model.Invoking(m => m.GetPeftModel(new LoraConfig { TargetModules = ["mlp"] })).Should().Throw<TargetModulesException>().WithMessage("*layers.0.mlp*Mlp*");
    }

    [Fact]
    public void A_regular_expression_that_takes_too_long_is_stopped()
    {
        using var model = TinyModels.Create(2);
        // The lookahead forbids the linear engine; the nested repetition takes exponential time in the other.
        model.Invoking(m => m.GetPeftModel(new LoraConfig { TargetModules = @"(?=.*)(([a-z_.0-9]+)+)+!" })).Should().Throw<AdapterConfigException>().WithMessage("*too long*");
    }

    [Fact]
    public void A_broken_regular_expression_is_refused()
    {
        using var model = TinyModels.Create(2);
        model.Invoking(m => m.GetPeftModel(new LoraConfig { TargetModules = "(" })).Should().Throw<AdapterConfigException>().WithMessage("*target_modules*regular expression*");
    }

    [Fact]
    public void A_rank_above_the_layers_width_is_refused_before_memory_is_taken()
    {
        using var model = TinyModels.Create(2);
        var before = TinyModels.Snapshot(model);
        model.Invoking(m => m.GetPeftModel(new LoraConfig { R = 65536 })).Should().Throw<AdapterConfigException>().WithMessage("*'r' is 65536*");
        Unchanged(model, before);
    }

    private static void Unchanged(ChatGLMForConditionalGeneration model, Dictionary<string, float[]> before)
    {
        TinyModels.Snapshot(model).Should().BeEquivalentTo(before);
        model.NamedParameters().Should().OnlyContain(p => p.Parameter.RequiresGrad, "the base is not frozen either");
    }
}
