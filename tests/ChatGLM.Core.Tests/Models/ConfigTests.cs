using System.Text;
using System.Text.Json;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

public sealed class ConfigTests
{
    private const string First = """
        "model_type": "chatglm", "architectures": ["ChatGLMModel"], "hidden_size": 64, "num_attention_heads": 4, "num_layers": 3,
        "inner_hidden_size": 256, "max_sequence_length": 256, "position_encoding_2d": true, "vocab_size": 720, "bos_token_id": 1, "mask_token_id": 2, "gmask_token_id": 4
        """;

    private const string Second = """
        "model_type": "chatglm", "architectures": ["ChatGLMModel"], "hidden_size": 64, "num_attention_heads": 4, "num_layers": 3,
        "ffn_hidden_size": 172, "kv_channels": 16, "multi_query_attention": true, "multi_query_group_num": 2, "padded_vocab_size": 640, "seq_length": 256
        """;

    [Fact]
    public void Field_names_tell_the_two_architectures_apart()
    {
        Parse($"{{{First}}}").Should().BeOfType<ChatGLM6BConfig>();
        Parse($"{{{Second}}}").Should().BeOfType<ChatGLM2Config>();
    }

    [Theory]
    [InlineData("""{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}""", "llama")]
    [InlineData("""{"model_type": "chatglm", "architectures": ["GPT2Model"], "hidden_size": 4}""", "GPT2Model")]
    [InlineData("""{"model_type": "chatglm", "auto_map": {"AutoModel": "modeling_other.OtherModel"}, "ffn_hidden_size": 4}""", "OtherModel")]
    [InlineData("""{"model_type": "chatglm"}""", "neither the fields")]
    [InlineData("{}", "model_type")]
    public void Another_model_is_refused_with_what_is_supported(string json, string found) =>
        FluentActions.Invoking(() => Parse(json)).Should().Throw<UnsupportedModelException>().Which.Message.Should().Contain(found).And.Contain("ChatGLM2-6B");

    [Theory]
    [InlineData("num_attention_heads", "0")]
    [InlineData("num_attention_heads", "5")]
    [InlineData("num_attention_heads", "-4")]
    [InlineData("num_layers", "1000000000")]
    [InlineData("num_layers", "99999999999999999999")]
    [InlineData("hidden_size", "-64")]
    [InlineData("hidden_size", "64.5")]
    [InlineData("hidden_size", "\"64\"")]
    [InlineData("vocab_size", "0")]
    [InlineData("inner_hidden_size", "2000000000")]
    [InlineData("max_sequence_length", "0")]
    [InlineData("layernorm_epsilon", "-1")]
    [InlineData("layernorm_epsilon", "1e999")]
    [InlineData("torch_dtype", "\"complex64\"")]
    [InlineData("position_encoding_2d", "\"yes\"")]
    [InlineData("pre_seq_len", "-1")]
    [InlineData("architectures", "\"ChatGLMModel\"")]
    [InlineData("problem_type", "\"guessing\"")]
    [InlineData("eos_token_id", "[1, -2]")]
    public void An_absurd_value_of_6B_is_refused_by_name(string field, string value) => Refuses(First, field, value);

    [Theory]
    [InlineData("multi_query_group_num", "3")]
    [InlineData("multi_query_group_num", "0")]
    [InlineData("kv_channels", "1")]
    [InlineData("kv_channels", "1000000")]
    [InlineData("ffn_hidden_size", "0")]
    [InlineData("padded_vocab_size", "-1")]
    [InlineData("seq_length", "2000000000")]
    [InlineData("hidden_dropout", "1")]
    [InlineData("attention_dropout", "-0.1")]
    [InlineData("rope_ratio", "0")]
    [InlineData("num_labels", "0")]
    public void An_absurd_value_of_2_and_3_is_refused_by_name(string field, string value) => Refuses(Second, field, value);

    [Theory]
    [InlineData("")]
    [InlineData("{\"model_type\": \"chat")]
    [InlineData("[1, 2]")]
    [InlineData("version https://git-lfs.github.com/spec/v1")]
    public void A_damaged_file_is_refused(string text) => FluentActions.Invoking(() => Parse(text)).Should().Throw<ConfigException>().WithMessage("config.json*");

    [Theory]
    [InlineData("""{"\ud800": 1, "model_type": "chatglm", "ffn_hidden_size": 4}""")]
    [InlineData("""{"model_type": "\udc00", "ffn_hidden_size": 4}""")]
    [InlineData("""{"model_type": "chatglm", "ffn_hidden_size": 4, "auto_map": {"\ud800": "x"}}""")]
    public void Half_a_surrogate_pair_is_refused(string json) => FluentActions.Invoking(() => Parse(json)).Should().Throw<ConfigException>();

    [Fact]
    public void Deep_nesting_is_refused() =>
        FluentActions.Invoking(() => Parse("{\"a\":" + new string('[', 100_000))).Should().Throw<ConfigException>();

    [Fact]
    public void A_missing_file_is_named()
    {
        using var folder = new TemporaryFolder();
        FluentActions.Invoking(() => AutoConfig.FromPretrained(folder.Path)).Should().Throw<ConfigException>().WithMessage("*config.json*does not exist*");
    }

    [Fact]
    public void A_prefix_projection_in_a_list_of_one_is_a_bool()
    {
        Parse($"{{{Second}, \"pre_seq_len\": 4, \"prefix_projection\": [true]}}").PrefixProjection.Should().BeTrue();
        Parse($"{{{Second}, \"pre_seq_len\": 4, \"prefix_projection\": [false]}}").PrefixProjection.Should().BeFalse();
    }

    [Theory]
    [InlineData("THUDM/chatglm2-6b-32k", RopeScaling.DividePositions)]
    [InlineData("THUDM/chatglm3-6b-32k", RopeScaling.MultiplyBase)]
    public void Rope_ratio_means_what_the_generation_makes_of_it(string name, RopeScaling scaling) =>
        ((ChatGLM2Config)Parse($"{{{Second}, \"rope_ratio\": 16, \"_name_or_path\": \"{name}\"}}")).RopeScaling.Should().Be(scaling);

    [Theory]
    [InlineData(First)]
    [InlineData(Second)]
    public void Unknown_fields_and_order_survive_saving(string fields)
    {
        using var folder = new TemporaryFolder();
        var before = $"{{\"future\": {{\"a\": [1, 2.50, \"中\"]}}, {fields}, \"torch_dtype\": \"bfloat16\", \"eos_token_id\": [2, 5]}}";
        (Parse(before) with { PreSeqLen = 9 }).SavePretrained(folder.Path);
        using var expected = JsonDocument.Parse(before);
        using var saved = JsonDocument.Parse(File.ReadAllBytes(folder["config.json"]));
        var names = saved.RootElement.EnumerateObject().Select(p => p.Name).ToArray();
        names.Take(expected.RootElement.EnumerateObject().Count()).Should().Equal(expected.RootElement.EnumerateObject().Select(p => p.Name));
        foreach (var field in expected.RootElement.EnumerateObject())
            Normalize(saved.RootElement.GetProperty(field.Name)).Should().Be(Normalize(field.Value), "'{0}' was not changed", field.Name);
        saved.RootElement.GetProperty("pre_seq_len").GetInt32().Should().Be(9);
        var read = AutoConfig.FromPretrained(folder.Path);
        read.PreSeqLen.Should().Be(9);
        read.TorchDtype.Should().Be(DType.BFloat16);
        read.EosTokenIds.Should().Equal(2, 5);
        Directory.GetFiles(folder.Path).Should().HaveCount(1, "nothing is left beside the file");
    }

    private static void Refuses(string fields, string field, string value)
    {
        var kept = fields.Split(',').Where(f => !f.Contains($"\"{field}\"")).ToArray();
        FluentActions.Invoking(() => Parse($"{{{string.Join(",", kept)}, \"{field}\": {value}}}"))
            .Should().Throw<ConfigException>().Which.Field.Should().Be(field);
    }

    private static string Normalize(JsonElement value) => value.ValueKind == JsonValueKind.Number ? value.GetDouble().ToString("R") : string.Concat(value.GetRawText().Where(c => !char.IsWhiteSpace(c)));

    private static ChatGLMConfig Parse(string json) => AutoConfig.Parse(Encoding.UTF8.GetBytes(json));
}
