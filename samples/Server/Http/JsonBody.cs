using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Net.Http.Headers;

namespace ChatGLM.Samples.Server.Http;

/// <summary>JSON from requests and into responses.</summary>
internal static class JsonBody
{
    /// <summary>Chinese stays readable. (The escapes that this leaves out matter only where JSON stands inside HTML, which it never does here.)</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private static readonly JsonDocumentOptions ReaderOptions = new() { MaxDepth = 32, AllowDuplicateProperties = false };

    /// <summary>Reads the body, whose size the server has bounded.</summary>
    /// <exception cref="ApiException">It is not said to be JSON. (A page of another site could send it otherwise, without asking the browser for leave.)</exception>
    /// <exception cref="JsonException">It is not JSON, or nested too deep.</exception>
    public static async Task<JsonDocument> ReadAsync(HttpContext context)
    {
        if (!MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var type) || !type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
        {
            throw new ApiException(
                StatusCodes.Status415UnsupportedMediaType, "invalid_request_error", $"The content type is '{context.Request.ContentType}', expected application/json.", null, "unsupported_media_type");
        }

        try
        {
            return await JsonDocument.ParseAsync(context.Request.Body, ReaderOptions, context.RequestAborted);
        }
        catch (InvalidOperationException error)
        {
            throw JsonFields.NotText("", error); // a field's name, which is looked at to find doubles
        }
    }

    /// <summary>Writes the whole answer.</summary>
    public static async Task WriteAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions))
            write(writer);
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = buffer.WrittenCount;
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.Body.WriteAsync(buffer.WrittenMemory);
    }
}
