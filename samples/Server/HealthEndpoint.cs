using ChatGLM.Extensions.AI;
using ChatGLM.Samples.Server.Http;

namespace ChatGLM.Samples.Server;

/// <summary><c>GET /health</c>: 200 while requests are taken, 503 while the server stops. Needs no key, and tells nothing that does.</summary>
internal sealed class HealthEndpoint(SharedModel model, RequestGate gate)
{
    public Task HandleAsync(HttpContext context)
    {
        var isOpen = gate.IsOpen;
        context.Response.StatusCode = isOpen ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return JsonBody.WriteAsync(context, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("status", isOpen ? "ok" : "stopping");
            writer.WriteNumber("requests", gate.Inside);
            writer.WriteNumber("waiting", model.QueueLength);
            writer.WriteEndObject();
        });
    }
}
