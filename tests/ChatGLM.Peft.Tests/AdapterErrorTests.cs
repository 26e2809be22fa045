using ChatGLM.Formats;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

/// <summary>What does not fit is refused, and the model is left as it was.</summary>
public sealed class AdapterErrorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ChatGLMForConditionalGeneration _model = TinyModels.Create(2);

    public AdapterErrorTests()
    {
        using var peft = TinyModels.Create(2).GetPeftModel(new LoraConfig { R = 4, TargetModules = ["query_key_value"], InitLoraWeights = InitLoraWeights.Random });
        peft.SavePretrained(_folder.Path);
    }

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void An_adapter_for_another_base_is_refused()
    {
        var error = Refuses<AdapterWeightsException>(() => PeftModel.FromPretrained(_model, Changed(c => c with { TargetModules = ["dense"], BaseModelNameOrPath = "THUDM/other" })));
        error.Message.Should().Contain("for another base model (it names 'THUDM/other')").And.Contain("left as it was");
        error.Missing.Should().HaveCount(4);
        error.Unexpected.Should().HaveCount(4);
    }

    [Fact]
    public void A_rank_that_is_not_the_weights_is_refused() =>
        Refuses<AdapterWeightsException>(() => PeftModel.FromPretrained(_model, Changed(c => (LoraConfig)c with { R = 3 })))
            .Misshaped.Should().Contain(m => m.Contains("expected [3, 32], found [4, 32]"));

    [Fact]
    public void A_model_of_another_width_is_refused()
    {
        using var wide = AutoModel.FromConfig(TinyModels.Second with { HiddenSize = 48 });
        wide.Invoking(m => PeftModel.FromPretrained(m, _folder.Path)).Should().Throw<AdapterWeightsException>().WithMessage("*Of another shape*expected [4, 48], found [4, 32]*");
        wide.NamedParameters().Should().NotContain(p => p.Name.Contains("lora_"));
    }

    [Fact]
    public void Damaged_files_are_refused()
    {
        var weights = _folder["adapter_model.safetensors"];
        File.WriteAllBytes(weights, File.ReadAllBytes(weights)[..200]);
        Refuses<CheckpointException>(() => PeftModel.FromPretrained(_model, _folder.Path));
        File.Delete(weights);
        Refuses<CheckpointException>(() => PeftModel.FromPretrained(_model, _folder.Path)).Message.Should().Contain("adapter_model.safetensors, adapter_model.bin");
        File.WriteAllText(_folder["adapter_config.json"], "{\"peft_type\": \"LORA\", \"r\"");
        Refuses<AdapterConfigException>(() => PeftModel.FromPretrained(_model, _folder.Path));
        File.Delete(_folder["adapter_config.json"]);
        Refuses<AdapterConfigException>(() => PeftModel.FromPretrained(_model, _folder.Path)).Message.Should().Contain("does not exist");
    }

    [Fact]
    public void A_second_adapter_that_does_not_fit_leaves_the_first_alone()
    {
        using var peft = PeftModel.FromPretrained(_model, _folder.Path);
        var (before, random) = (TinyModels.Snapshot(peft), _model.Generator.GetState());
        var folder = Changed(c => (LoraConfig)c with { R = 3, TargetModules = ["query_key_value", "dense"] });
        peft.Invoking(p => p.LoadAdapter(folder, "second")).Should().Throw<AdapterWeightsException>();
        peft.Invoking(p => p.AddAdapter("third", new LoraConfig { TargetModules = ["dense"], ModulesToSave = ["nothing_like_it"] })).Should().Throw<TargetModulesException>();
        TinyModels.Snapshot(peft).Should().BeEquivalentTo(before);
        _model.Generator.GetState().Should().Equal(random);
        peft.PeftConfigs.Keys.Should().Equal("default");
    }

    [Theory]
    [InlineData("default", "there already")]
    [InlineData("a.b", "cannot be one")]
    [InlineData("../up", "cannot be one")]
    [InlineData("", "cannot be one")]
    [InlineData("lora_x", "cannot be one")]
    public void A_name_that_is_taken_or_none_is_refused(string name, string why)
    {
        using var peft = PeftModel.FromPretrained(_model, _folder.Path);
        peft.Invoking(p => p.AddAdapter(name, new LoraConfig())).Should().Throw<AdapterNameException>().WithMessage($"*{why}*");
    }

    [Fact]
    public void Unknown_names_are_refused()
    {
        using var peft = PeftModel.FromPretrained(_model, _folder.Path);
        peft.Invoking(p => p.SetAdapter("nobody")).Should().Throw<AdapterNameException>().WithMessage("*there are: default*");
        peft.Invoking(p => p.DeleteAdapter("nobody")).Should().Throw<AdapterNameException>();
        peft.Invoking(p => p.MergeAdapter("nobody")).Should().Throw<AdapterNameException>();
        peft.Invoking(p => p.SavePretrained(_folder["out"], "nobody")).Should().Throw<AdapterNameException>();
    }

    [Fact]
    public void A_model_has_one_owner_of_its_adapters()
    {
        using var peft = PeftModel.FromPretrained(_model, _folder.Path);
        _model.Invoking(m => m.GetPeftModel(new LoraConfig())).Should().Throw<TargetModulesException>().WithMessage("*already*");
    }

    [Fact]
    public void A_damaged_adapter_is_not_merged()
    {
        using var peft = PeftModel.FromPretrained(_model, _folder.Path);
        var b = peft.GetPeftModelStateDict().Last(p => p.Key.EndsWith("lora_B.weight", StringComparison.Ordinal)).Value;
        b.Backend.Fill(b, double.NaN);
        var before = TinyModels.Snapshot(_model);
        peft.Invoking(p => p.MergeAdapter()).Should().Throw<AdapterMergeException>().WithMessage("*layers.1*NaN*");
        peft.MergedAdapters.Should().BeEmpty();
        TinyModels.Snapshot(_model).Should().BeEquivalentTo(before, "the layers before the damaged one are unmerged again");
    }

    [Fact]
    public void A_shared_weight_is_not_changed_for_good()
    {
        // The word embeddings of ChatGLM-6B are its output layer too.
        using var model = TinyModels.Create(1);
        using var peft = model.GetPeftModel(new LoraConfig { R = 2, TargetModules = ["word_embeddings"], InitLoraWeights = InitLoraWeights.Random });
        var adapted = TinyModels.Logits(model);
        peft.Invoking(p => p.MergeAndUnload()).Should().Throw<AdapterMergeException>().WithMessage("*word_embeddings*shares its weight with 'lm_head'*");
        peft.MergeAdapter();
        TinyModels.LargestDifference(TinyModels.Logits(model), adapted).Should().BeLessThan(1e-4);
    }

    [Fact]
    public void Embeddings_take_no_dora() =>
        Refuses<TargetModulesException>(() => _model.GetPeftModel(new LoraConfig { R = 2, UseDora = true, TargetModules = ["word_embeddings"] }));

    private TException Refuses<TException>(Action action)
        where TException : ChatGLMException
    {
        var before = TinyModels.Snapshot(_model);
        var error = action.Should().Throw<TException>().Which;
        TinyModels.Snapshot(_model).Should().BeEquivalentTo(before);
        return error;
    }

    private string Changed(Func<PeftConfig, PeftConfig> change)
    {
        var folder = _folder[Guid.NewGuid().ToString("N")];
        change(PeftConfig.FromPretrained(_folder.Path)).SavePretrained(folder);
        File.Copy(_folder["adapter_model.safetensors"], Path.Combine(folder, "adapter_model.safetensors"));
        return folder;
    }
}
