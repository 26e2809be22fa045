using System.Text.Json;
using ChatGLM.Chat;
using ChatGLM.Extensions.AI;
using ChatGLM.Generation;
using ChatGLM.Models;

namespace ChatGLM.Samples.Server.Http;

/// <summary>What each error of the engine means to a client, and how an error is written.</summary>
internal static class ApiErrors
{
    /// <summary>The fields of requests that options of the chat client have other names than.</summary>
    private static readonly Dictionary<string, string> FieldNames = new(StringComparer.Ordinal)
    {
        ["ModelId"] = "model",
        ["MaxOutputTokens"] = "max_tokens",
        ["StopSequences"] = "stop",
        ["ToolMode"] = "tool_choice",
        ["TopK"] = "top_k",
        ["TopP"] = "top_p",
    };

    /// <summary>The error to answer with. What is not the client's doing is not told: it is in the log.</summary>
    public static ApiException From(Exception error, RequestClock? clock) => error switch
    {
        ApiException api => api,
        PromptTooLongException tooLong => ApiException.Invalid(tooLong.Message, "messages", "context_length_exceeded"),
        UnsupportedOptionException option => ApiException.Invalid(option.Message, FieldNames.GetValueOrDefault(option.Option) ?? JsonNamingPolicy.SnakeCaseLower.ConvertName(option.Option), "unsupported_value"),
        ChatFormatException format => ApiException.Invalid(format.Message, "messages"),
        GenerationConfigException config => ApiException.Invalid(config.Message, null),
        ModelBusyException busy => new ApiException(StatusCodes.Status429TooManyRequests, "rate_limit_error", busy.Message, null, "queue_full") { RetryAfterSeconds = 1 },
        JsonException json => ApiException.Invalid($"The body is no valid JSON, or is nested too deep: {json.Message}", null, "invalid_json"),
        BadHttpRequestException bad => new ApiException(
            bad.StatusCode, "invalid_request_error", bad.Message, null, bad.StatusCode == StatusCodes.Status413PayloadTooLarge ? "request_too_large" : "bad_request"),
        OperationCanceledException when clock?.IsOver == true => new ApiException(
            StatusCodes.Status408RequestTimeout, "timeout_error", $"The request took longer than {clock.Limit.TotalSeconds:0.###} s, waiting included. Ask for fewer tokens, or try again when less is asked.", null, "timeout"),
        OperationCanceledException or ObjectDisposedException when clock?.IsStopping == true => Stopping(),
        _ => new ApiException(StatusCodes.Status500InternalServerError, "server_error", "Something went wrong here. The server's log says what, under the id of this request (x-request-id).", null, "internal_error"),
    };

    /// <summary>Says that the server is about to end.</summary>
    public static ApiException Stopping() =>
        new(StatusCodes.Status503ServiceUnavailable, "server_error", "The server is stopping and takes no new requests. Try again when it is back.", null, "stopping") { RetryAfterSeconds = 5 };

    /// <summary>Writes an error as the whole answer.</summary>
    public static Task WriteAsync(HttpContext context, ApiException error)
    {
        var response = context.Response;
        var allow = response.Headers.Allow;
        response.Clear();
        response.Headers.Allow = allow;
        response.StatusCode = error.Status;
        if (error.RetryAfterSeconds is { } seconds)
            response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (error.Status == StatusCodes.Status401Unauthorized)
            response.Headers.WWWAuthenticate = "Bearer";
        return JsonBody.WriteAsync(context, writer => Write(writer, error));
    }

    /// <summary>Writes the object that holds an error.</summary>
    public static void Write(Utf8JsonWriter writer, ApiException error)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("error");
        writer.WriteString("message", error.Message);
        writer.WriteString("type", error.Type);
        writer.WriteString("param", error.Field);
        writer.WriteString("code", error.Code);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}
