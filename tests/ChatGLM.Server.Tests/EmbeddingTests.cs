using System.Runtime.InteropServices;
using System.Text.Json;
using static ChatGLM.Server.Tests.RunningServer;

namespace ChatGLM.Server.Tests;

/// <summary><c>/v1/embeddings</c>.</summary>
public sealed class EmbeddingTests(DemoServer demo) : IClassFixture<DemoServer>
{
    private const string Path = "/v1/embeddings";

    private readonly RunningServer _server = demo.Server;

    [Fact]
    public async Task Vectors_have_length_one_and_are_the_same_in_both_forms()
    {
        var plain = await _server.AskAsync(Path, """{"model": "chatglm-demo", "input": ["你好", "What is the capital of France?"]}""");
        var vectors = Vectors(plain);
        // The width is the model's; asking for that very width is allowed.
        var width = vectors[0].Length;
        var packed = await _server.AskAsync(Path, $$"""{"model": "chatglm-demo", "input": ["你好", "What is the capital of France?"], "encoding_format": "base64", "dimensions": {{width}}}""");
        plain.GetProperty("object").GetString().Should().Be("list");
        plain.GetProperty("model").GetString().Should().Be(Demo);
        plain.GetProperty("usage").GetProperty("prompt_tokens").GetInt32().Should().BePositive().And.Be(plain.GetProperty("usage").GetProperty("total_tokens").GetInt32());
        for (var i = 0; i < 2; i++)
        {
            vectors[i].Should().HaveCount(width);
            Math.Sqrt(vectors[i].Sum(v => (double)v * v)).Should().BeApproximately(1, 1e-5);
            MemoryMarshal.Cast<byte, float>(packed.GetProperty("data")[i].GetProperty("embedding").GetBytesFromBase64()).ToArray().Should().Equal(vectors[i]);
            plain.GetProperty("data")[i].GetProperty("index").GetInt32().Should().Be(i);
        }

        vectors[0].Should().NotEqual(vectors[1]);
        Vectors(await _server.AskAsync(Path, """{"model": "chatglm-demo", "input": "你好", "encoding_format": "float", "user": "u"}"""))[0].Should().Equal(vectors[0], "a text's vector does not hang on the texts beside it");
    }

    [Theory]
    [InlineData("\"x\": 1", "input", "missing_required_parameter")]
    [InlineData("\"input\": []", "input", "invalid_value")]
    [InlineData("\"input\": [\"a\", \" \"]", "input", "invalid_value")]
    [InlineData("\"input\": [[1, 2]]", "input[0]", "invalid_value")]
    [InlineData("\"input\": \"a\", \"encoding_format\": \"hex\"", "encoding_format", "invalid_value")]
    [InlineData("\"input\": \"a\", \"dimensions\": 7", "dimensions", "unsupported_value")]
    public async Task What_cannot_be_embedded_is_refused(string fields, string field, string code)
    {
        var error = await _server.RefusedAsync(Path, $$"""{"model": "chatglm-demo", {{fields}}}""", 400);
        (error.GetProperty("param").GetString(), error.GetProperty("code").GetString()).Should().Be((field, code));
    }

    private static List<float[]> Vectors(JsonElement response) =>
        [.. response.GetProperty("data").EnumerateArray().Select(d => d.GetProperty("embedding").EnumerateArray().Select(v => v.GetSingle()).ToArray())];
}
