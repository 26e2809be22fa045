namespace ChatGLM.Samples.Server.Http;

/// <summary>An answer that is an error, in OpenAI's form.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="type">The kind of error, such as <c>invalid_request_error</c>.</param>
/// <param name="message">What is wrong and what to do.</param>
/// <param name="param">The field of the request that it is about; null if about none.</param>
/// <param name="code">A word for programs; null for none.</param>
internal sealed class ApiException(int status, string type, string message, string? param = null, string? code = null) : ChatGLMException(message)
{
    public int Status => status;

    public string Type => type;

    public string? Field => param;

    public string? Code => code;

    /// <summary>Seconds after which the same request may succeed; null for never.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>A request that cannot be answered as it is.</summary>
    public static ApiException Invalid(string message, string? field, string? code = "invalid_value") => new(StatusCodes.Status400BadRequest, "invalid_request_error", message, field, code);
}
