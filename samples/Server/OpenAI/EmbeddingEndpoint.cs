using System.Runtime.InteropServices;
using System.Text.Json;
using ChatGLM.Extensions.AI;
using ChatGLM.Samples.Server.Http;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary><c>POST /v1/embeddings</c>.</summary>
internal sealed class EmbeddingEndpoint(IEmbeddingGenerator<string, Embedding<float>> generator, SharedModel model, IOptions<ServerOptions> options)
{
    public async Task HandleAsync(HttpContext context)
    {
        using var body = await JsonBody.ReadAsync(context);
        var fields = new JsonFields(body.RootElement);
        var name = fields.RequiredString("model");
        var texts = fields.Strings("input", options.Value.MaxInputs) ?? throw fields.Missing("input", "text, or an array of texts");
        var isBase64 = fields.String("encoding_format") switch
        {
            null or "float" => false,
            "base64" => true,
            _ => throw ApiException.Invalid("'encoding_format' is expected to be 'float' or 'base64'.", "encoding_format"),
        };
        var dimensions = (int?)fields.Integer("dimensions", 1, int.MaxValue);
        fields.Ignore("user");
        fields.RequireNoOthers();
        ModelEndpoint.Require(model, name);
        if (texts.Count == 0 || texts.Any(string.IsNullOrWhiteSpace))
            throw ApiException.Invalid("'input' is empty or holds an empty text, expected texts of at least one character that is no white space.", "input");
        var result = await generator.GenerateAsync(texts, new EmbeddingGenerationOptions { ModelId = name, Dimensions = dimensions }, context.RequestAborted);
        await JsonBody.WriteAsync(context, writer => Write(writer, name, result, isBase64));
    }

    private static void Write(Utf8JsonWriter writer, string name, GeneratedEmbeddings<Embedding<float>> result, bool isBase64)
    {
        writer.WriteStartObject();
        writer.WriteString("object", "list");
        writer.WriteStartArray("data");
        for (var i = 0; i < result.Count; i++)
        {
            writer.WriteStartObject();
            writer.WriteString("object", "embedding");
            writer.WriteNumber("index", i);
            WriteVector(writer, result[i].Vector.Span, isBase64);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteString("model", name);
        writer.WriteStartObject("usage");
        writer.WriteNumber("prompt_tokens", result.Usage!.InputTokenCount ?? 0);
        writer.WriteNumber("total_tokens", result.Usage.TotalTokenCount ?? 0);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteVector(Utf8JsonWriter writer, ReadOnlySpan<float> vector, bool isBase64)
    {
        if (isBase64)
        {
            writer.WriteBase64String("embedding", MemoryMarshal.AsBytes(vector)); // little-endian, as .NET's processors are
            return;
        }

        writer.WriteStartArray("embedding");
        foreach (var value in vector)
            writer.WriteNumberValue(value);
        writer.WriteEndArray();
    }
}
