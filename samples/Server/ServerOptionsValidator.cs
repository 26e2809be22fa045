using System.Globalization;
using System.Net;
using Microsoft.Extensions.Options;

namespace ChatGLM.Samples.Server;

/// <summary>Says everything that is wrong with the options at once, field by field.</summary>
internal sealed class ServerOptionsValidator : IValidateOptions<ServerOptions>
{
    public ValidateOptionsResult Validate(string? name, ServerOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        void Check(bool isValid, string field, object? found, string expected)
        {
            if (!isValid)
                result.AddError(string.Create(CultureInfo.InvariantCulture, $"found '{found}', expected {expected}."), $"{ServerOptions.Section}:{field}");
        }

        Check(options.Host is "localhost" or "*" || IPAddress.TryParse(options.Host, out _), nameof(options.Host), options.Host, "an IP address, localhost, or * for all addresses");
        Check(options.Port is >= 0 and <= 65535, nameof(options.Port), options.Port, "0 to 65535; 0 is a free one");
        Check(options.ApiKey is null || options.ApiKey.Trim() is { Length: >= 8 } key && key == options.ApiKey, nameof(options.ApiKey), "a key that is not shown", "at least 8 characters, without white space around them");
        if (!options.IsLoopback && options.ApiKey is null && !options.AllowAnonymous)
            result.AddError($"'{options.Host}' can be reached from other machines. Give a key (ApiKey), or say that everybody may ask (AllowAnonymous).", $"{ServerOptions.Section}:{nameof(options.Host)}");
        foreach (var (adapter, folder) in options.Adapters)
            Check(adapter.Trim().Length > 0 && !string.IsNullOrWhiteSpace(folder), nameof(options.Adapters), $"{adapter}={folder}", "a name and a folder");
        Check(options.MaxRequestBytes is >= 1024 and <= 1 << 30, nameof(options.MaxRequestBytes), options.MaxRequestBytes, "1 kB to 1 GB");
        Check(options.MaxMessages is >= 1, nameof(options.MaxMessages), options.MaxMessages, "at least 1");
        Check(options.MaxTools is >= 0, nameof(options.MaxTools), options.MaxTools, "at least 0");
        Check(options.MaxInputs is >= 1, nameof(options.MaxInputs), options.MaxInputs, "at least 1");
        Check(options.MaxOutputTokens is null or >= 1, nameof(options.MaxOutputTokens), options.MaxOutputTokens, "at least 1");
        Check(options.RequestTimeoutSeconds is > 0 and <= 86400, nameof(options.RequestTimeoutSeconds), options.RequestTimeoutSeconds, "above 0 and at most a day");
        Check(options.ShutdownSeconds is >= 0 and <= 86400, nameof(options.ShutdownSeconds), options.ShutdownSeconds, "0 to a day");
        Check(options.KeepAliveSeconds is > 0 and <= 3600, nameof(options.KeepAliveSeconds), options.KeepAliveSeconds, "above 0 and at most an hour");
        Check(options.MaxConnections is >= 1, nameof(options.MaxConnections), options.MaxConnections, "at least 1");
        return result.Build();
    }
}
