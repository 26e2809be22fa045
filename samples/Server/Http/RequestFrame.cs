using System.Diagnostics;
using ChatGLM.Samples.Server.OpenAI;

namespace ChatGLM.Samples.Server.Http;

/// <summary>What stands around every request: its id, the headers that all answers have, one line in the log, and errors in one form.</summary>
internal sealed class RequestFrame(ILogger<RequestFrame> logger)
{
    private const int ClientGone = 499; // as other servers log it; nobody is there to read it

    public async Task RunAsync(HttpContext context, RequestDelegate next)
    {
        var start = Stopwatch.GetTimestamp();
        var clientGone = context.RequestAborted;
        context.Response.OnStarting(SetHeaders, context);
        using var scope = logger.BeginScope(new Dictionary<string, object> { ["RequestId"] = context.TraceIdentifier });
        var status = 0;
        try
        {
            await next(context);
            if (!context.Response.HasStarted && context.Response.StatusCode is StatusCodes.Status404NotFound or StatusCodes.Status405MethodNotAllowed)
                await ApiErrors.WriteAsync(context, Unknown(context));
        }
        catch (StreamBrokenException)
        {
            status = clientGone.IsCancellationRequested ? ClientGone : context.Response.StatusCode;
        }
        catch (Exception) when (clientGone.IsCancellationRequested)
        {
            status = ClientGone;
        }
        catch (Exception error) when (!context.Response.HasStarted)
        {
            var answer = ApiErrors.From(error, context.Features.Get<RequestClock>());
            if (answer.Status == StatusCodes.Status500InternalServerError)
                ServerLog.Failed(logger, error, context.Request.Method, context.Request.Path, context.TraceIdentifier);
            await ApiErrors.WriteAsync(context, answer);
        }

        ServerLog.Answered(
            logger, context.Request.Method, context.Request.Path, status == 0 ? context.Response.StatusCode : status, Stopwatch.GetElapsedTime(start).TotalMilliseconds, context.TraceIdentifier);
    }

    private static ApiException Unknown(HttpContext context) => context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed
        ? new ApiException(StatusCodes.Status405MethodNotAllowed, "invalid_request_error", $"{context.Request.Method} is not for this path; expected {context.Response.Headers.Allow}.", null, "method_not_allowed")
        : new ApiException(StatusCodes.Status404NotFound, "invalid_request_error", "There is nothing under this path.", null, "not_found");

    private static Task SetHeaders(object state)
    {
        var context = (HttpContext)state;
        var headers = context.Response.Headers;
        headers["x-request-id"] = context.TraceIdentifier;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        return Task.CompletedTask;
    }
}
