using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests.Tuners;

/// <summary>What VeRA's layers share.</summary>
public sealed class VeraTests
{
    private static readonly VeraConfig Config = new() { R = 6, InitWeights = false, TargetModules = ["query_key_value", "dense", "dense_4h_to_h"] };

    [Fact]
    public void The_matrices_are_held_once_and_counted_as_no_parameters()
    {
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(Config);
        var state = peft.GetPeftModelStateDict();
        state["base_model.vera_A"].Shape.ToArray().Should().Equal(6, 48);
        state["base_model.vera_B"].Shape.ToArray().Should().Equal(64, 6);
        state["base_model.vera_A"].RequiresGrad.Should().BeFalse();
        peft.NamedParameters().Should().NotContain(p => p.Name.Contains("vera_A"));
        peft.CountParameters().Trainable.Should().Be(2 * (64 + 32 + 32 + (3 * 6)));
    }

    [Fact]
    public void Without_the_matrices_a_file_is_small_and_they_are_drawn_again()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(Config with { SaveProjection = false, ProjectionPrngKey = -5 });
        var tuned = TinyModels.Logits(model);
        peft.GetPeftModelStateDict().Keys.Should().OnlyContain(key => key.Contains("vera_lambda_"));
        peft.SavePretrained(folder.Path);
        using var loaded = PeftModel.FromPretrained(TinyModels.Create(2), folder.Path);
        TinyModels.Logits(loaded.Model).Should().Equal(tuned);
    }

    [Fact]
    public void Matrices_of_a_file_are_used_wherever_they_came_from()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(Config);
        var state = peft.GetPeftModelStateDict();
        var before = TinyModels.Logits(model);
        var changed = state.ToDictionary(p => p.Key, p => p.Key.Contains("lambda") ? p.Value.Backend.Copy(p.Value) : p.Value.Backend.Affine(p.Value, 0.5f, 0.01f));
        peft.SetPeftModelStateDict(changed);
        var tuned = TinyModels.Logits(model);
        tuned.Should().NotEqual(before);
        peft.SavePretrained(folder.Path);
        using var loaded = PeftModel.FromPretrained(TinyModels.Create(2), folder.Path);
        TinyModels.Logits(loaded.Model).Should().Equal(tuned);

        // They may be there even where the configuration says that they need not be.
        ((VeraConfig)PeftConfig.FromPretrained(folder.Path) with { SaveProjection = false }).SavePretrained(folder.Path);
        using var again = PeftModel.FromPretrained(TinyModels.Create(2), folder.Path);
        TinyModels.Logits(again.Model).Should().Equal(tuned);
    }

    [Fact]
    public void Matrices_that_are_missing_are_named()
    {
        using var folder = new TemporaryFolder();
        using (var peft = TinyModels.Create(2).GetPeftModel(Config with { SaveProjection = false }))
            peft.SavePretrained(folder.Path);
        ((VeraConfig)PeftConfig.FromPretrained(folder.Path) with { SaveProjection = true }).SavePretrained(folder.Path);
        using var model = TinyModels.Create(2);
        model.Invoking(m => PeftModel.FromPretrained(m, folder.Path)).Should().Throw<AdapterWeightsException>().WithMessage("*base_model.vera_A*");
    }

    [Fact]
    public void Adapters_have_matrices_of_their_own()
    {
        using var model = TinyModels.Create(2);
        using var peft = model.GetPeftModel(Config, "one");
        var one = TinyModels.Logits(model);
        peft.AddAdapter("two", Config with { R = 4, ProjectionPrngKey = 8, TargetModules = ["query_key_value"] });
        peft.SetAdapter("two");
        TinyModels.Logits(model).Should().NotEqual(one);
        peft.DeleteAdapter("two");
        TinyModels.Logits(model).Should().Equal(one);
    }

    [Fact]
    public void Trained_biases_are_saved_with_it()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Create(1);
        using var peft = model.GetPeftModel(Config with { Bias = VeraBias.VeraOnly });
        var biases = peft.NamedParameters().Where(p => p.Name.EndsWith(".bias", StringComparison.Ordinal) && p.Parameter.RequiresGrad).ToList();
        biases.Should().HaveCount(6);
        foreach (var (_, bias) in biases)
            bias.Backend.AddInPlace(bias, Tensor.Full(bias.Shape, 0.1));
        var tuned = TinyModels.Logits(model);
        peft.SavePretrained(folder.Path);
        using var again = PeftModel.FromPretrained(TinyModels.Create(1), folder.Path);
        TinyModels.Logits(again.Model).Should().Equal(tuned);
    }

    [Fact]
    public void A_rank_that_would_take_all_the_memory_is_refused()
    {
        using var model = TinyModels.Create(2);
        model.Invoking(m => m.GetPeftModel(new VeraConfig { R = 65536 })).Should().Throw<AdapterConfigException>().WithMessage("*'r' is 65536*");
    }
}
