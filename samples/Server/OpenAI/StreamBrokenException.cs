namespace ChatGLM.Samples.Server.OpenAI;

/// <summary>A stream has ended early, and its client has been told why.</summary>
internal sealed class StreamBrokenException : Exception;
