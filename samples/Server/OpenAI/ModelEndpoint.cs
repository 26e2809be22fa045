using System.Text.Json;
using ChatGLM.Extensions.AI;
using ChatGLM.Samples.Server.Http;

namespace ChatGLM.Samples.Server.OpenAI;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/NAME</c>: the model, and its adapters as models that stand on it.</summary>
internal sealed class ModelEndpoint(SharedModel model, TimeProvider time)
{
    private readonly long _created = time.GetUtcNow().ToUnixTimeSeconds();

    /// <exception cref="ApiException">There is no such model.</exception>
    public static void Require(SharedModel model, string name)
    {
        if (!model.ModelIds.Contains(name))
            throw new ApiException(StatusCodes.Status404NotFound, "invalid_request_error", $"There is no model '{(name.Length <= 80 ? name : name[..80])}' here. GET /v1/models lists those that are.", "model", "model_not_found");
    }

    public Task ListAsync(HttpContext context) => JsonBody.WriteAsync(context, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("object", "list");
        writer.WriteStartArray("data");
        foreach (var name in model.ModelIds)
            Write(writer, name);
        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    public Task GetAsync(HttpContext context)
    {
        // The one escape that paths keep; a repo id has it where a client escapes the whole name.
        var name = ((string)context.Request.RouteValues["name"]!).Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        Require(model, name);
        return JsonBody.WriteAsync(context, writer => Write(writer, name));
    }

    private void Write(Utf8JsonWriter writer, string name)
    {
        writer.WriteStartObject();
        writer.WriteString("id", name);
        writer.WriteString("object", "model");
        writer.WriteNumber("created", _created);
        writer.WriteString("owned_by", "chatglm");
        writer.WriteString("parent", name == model.ModelId ? null : model.ModelId);
        writer.WriteEndObject();
    }
}
