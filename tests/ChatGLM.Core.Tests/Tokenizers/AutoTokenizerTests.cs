using ChatGLM.Snapshots;
using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Tokenizers;

public sealed class AutoTokenizerTests
{
    [Theory]
    [InlineData("{\"name_or_path\": \"THUDM/chatglm2-6b-32k\"}", null, null, ChatGLMGeneration.ChatGLM2)]
    [InlineData("{\"name_or_path\": \"THUDM/chatglm3-6b-base\"}", null, null, ChatGLMGeneration.ChatGLM3)]
    [InlineData("{\"name_or_path\": \"THUDM/codegeex2-6b\"}", null, null, ChatGLMGeneration.ChatGLM2)]
    [InlineData("{\"added_tokens_decoder\": {\"64796\": {\"content\": \"<|assistant|>\"}}}", null, null, ChatGLMGeneration.ChatGLM3)]
    [InlineData("{}", "special_tokens = [\"sop\", \"eop\"]", null, ChatGLMGeneration.ChatGLM2)]
    [InlineData("{}", "role_special_tokens = [\"<|assistant|>\"]", null, ChatGLMGeneration.ChatGLM3)]
    [InlineData("{}", null, "{\"_name_or_path\": \"THUDM/chatglm3-6b\"}", ChatGLMGeneration.ChatGLM3)]
    public void Tells_chatglm2_from_chatglm3(string config, string? python, string? modelConfig, ChatGLMGeneration expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.model"), SmallTokenizers.ModelBytes("bpe"));
        File.WriteAllText(Path.Combine(folder.Path, "tokenizer_config.json"), config);
        if (python is not null)
            File.WriteAllText(Path.Combine(folder.Path, "tokenization_chatglm.py"), python);
        if (modelConfig is not null)
            File.WriteAllText(Path.Combine(folder.Path, "config.json"), modelConfig);
        AutoTokenizer.FromPretrained(folder.Path).Generation.Should().Be(expected);
    }

    [Theory]
    [InlineData(ChatGLMGeneration.ChatGLM2)]
    [InlineData(ChatGLMGeneration.ChatGLM3)]
    public void Options_say_what_the_folder_does_not(ChatGLMGeneration generation)
    {
        using var folder = new TemporaryFolder();
        using var saved = new TemporaryFolder();
        File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.model"), SmallTokenizers.ModelBytes("bpe"));
        File.WriteAllText(Path.Combine(folder.Path, "tokenizer_config.json"), "{}");
        var open = () => AutoTokenizer.FromPretrained(folder.Path);
        open.Should().Throw<TokenizerException>().WithMessage("*tokenizer_config.json*TokenizerOptions.Generation*");
        var tokenizer = AutoTokenizer.FromPretrained(folder.Path, new() { Generation = generation });
        tokenizer.Generation.Should().Be(generation);
        tokenizer.SavePretrained(saved.Path);
        AutoTokenizer.FromPretrained(saved.Path).Generation.Should().Be(generation, "saving makes it explicit");
    }

    [Theory]
    [MemberData(nameof(SmallTokenizers.Generations), MemberType = typeof(SmallTokenizers))]
    public void Saved_files_are_those_that_were_opened(ChatGLMGeneration generation)
    {
        using var folder = new TemporaryFolder();
        var tokenizer = SmallTokenizers.Open(generation, ", \"custom\": {\"a\": [1, 2.50, \"你\"]}" + (generation == ChatGLMGeneration.ChatGLM6B ? ", \"num_image_tokens\": 500" : ""));
        tokenizer.SavePretrained(Path.Combine(folder.Path, "deeper", "down"));
        var saved = Path.Combine(folder.Path, "deeper", "down");
        Directory.GetFiles(saved).Select(Path.GetFileName).Should().BeEquivalentTo(
            [generation == ChatGLMGeneration.ChatGLM6B ? "ice_text.model" : "tokenizer.model", "tokenizer_config.json"]);
        File.ReadAllText(Path.Combine(saved, "tokenizer_config.json")).Should().Contain("\"custom\"").And.Contain("2.50").And.Contain("你").And.Contain("auto_map");
        var again = AutoTokenizer.FromPretrained(saved);
        again.VocabSize.Should().Be(tokenizer.VocabSize);
        again.Encode("你好 world").Should().Equal(tokenizer.Encode("你好 world"));
    }

    [Theory]
    [InlineData("{\"tokenizer_class\": \"LlamaTokenizer\"}", "*LlamaTokenizer*ChatGLMTokenizer*")]
    [InlineData("{\"auto_map\": {\"AutoTokenizer\": [\"tokenization_qwen.QWenTokenizer\", null]}}", "*QWenTokenizer*")]
    [InlineData("{\"tokenizer_class\": ", "*tokenizer_config.json*JSON*")]
    [InlineData("[1]", "*object*")]
    [InlineData("{\"name_or_path\": 5}", "*name_or_path*string*")]
    [InlineData("{\"name_or_path\": \"chatglm2\", \"clean_up_tokenization_spaces\": \"yes\"}", "*clean_up_tokenization_spaces*true or false*")]
    public void Refuses_a_configuration_that_is_wrong(string config, string says)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.model"), SmallTokenizers.ModelBytes("bpe"));
        File.WriteAllText(Path.Combine(folder.Path, "tokenizer_config.json"), config);
        var open = () => AutoTokenizer.FromPretrained(folder.Path);
        open.Should().Throw<TokenizerException>().WithMessage(says);
    }

    [Theory]
    [InlineData("\"num_image_tokens\": -1")]
    [InlineData("\"num_image_tokens\": 99999999999")]
    [InlineData("\"num_image_tokens\": 1.5")]
    [InlineData("\"mask_token\": \"\"")]
    [InlineData("\"bos_token\": \"<nothing>\"")]
    public void Refuses_values_that_no_6b_tokenizer_has(string extra)
    {
        var open = () => SmallTokenizers.Open(ChatGLMGeneration.ChatGLM6B, ", \"x\": 1, " + extra);
        open.Should().Throw<TokenizerException>();
    }

    [Fact]
    public void Missing_and_damaged_files_are_named()
    {
        using var folder = new TemporaryFolder();
        var open = () => AutoTokenizer.FromPretrained(folder.Path);
        open.Should().Throw<TokenizerException>().WithMessage("*tokenizer_config.json*");
        File.WriteAllText(Path.Combine(folder.Path, "tokenizer_config.json"), "{\"name_or_path\": \"chatglm2\"}");
        open.Should().Throw<TokenizerException>().WithMessage("*ice_text.model*tokenizer.model*");
        File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.model"), SmallTokenizers.ModelBytes("bpe")[..9999]);
        open.Should().Throw<TokenizerException>().WithMessage("*tokenizer.model*at byte*");
        File.WriteAllBytes(Path.Combine(folder.Path, "ice_text.model"), SmallTokenizers.ModelBytes("bpe"));
        open.Should().Throw<TokenizerException>().WithMessage("*ice_text.model*<sop>*", "it is the vocabulary of another generation");
        var missing = () => AutoTokenizer.FromPretrained(Path.Combine(folder.Path, "nowhere"));
        missing.Should().Throw<SnapshotNotFoundException>().WithMessage("*nowhere*");
    }

    [Fact]
    public void Sample_tokenizer_opens_as_chatglm2()
    {
        var sample = Path.Combine(SmallTokenizers.DataFolder, "..", "..", "..", "samples", "Snapshot");
        var tokenizer = AutoTokenizer.FromPretrained(sample);
        tokenizer.Generation.Should().Be(ChatGLMGeneration.ChatGLM2);
        tokenizer.VocabSize.Should().BeLessThanOrEqualTo(4096);
        (tokenizer.UnkTokenId, tokenizer.BosTokenId, tokenizer.EosTokenId).Should().Be((0, 1, 2));
        tokenizer.Decode(tokenizer.Encode("你好，什么是人工智能？ Hello 😀")).Should().Be("你好，什么是人工智能？ Hello 😀");
    }
}
