namespace ChatGLM.Samples.Server;

/// <summary>Where the settings of a server come from.</summary>
/// <param name="Values">Configuration keys and their values, which go before everything else.</param>
/// <param name="ConfigFile">A JSON file; null for none.</param>
/// <param name="LogJson">Whether the log is JSON.</param>
internal sealed record ServerSettings(IReadOnlyDictionary<string, string?> Values, string? ConfigFile = null, bool LogJson = false);
