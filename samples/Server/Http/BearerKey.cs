using System.Security.Cryptography;
using System.Text;

namespace ChatGLM.Samples.Server.Http;

/// <summary>The key that requests must bring. Compared in a time that tells nothing of it, not even its length.</summary>
internal sealed class BearerKey
{
    private const string Scheme = "Bearer ";

    private readonly byte[]? _hash;

    /// <param name="key">The key; null where everybody may ask.</param>
    public BearerKey(string? key) => _hash = key is null ? null : Hash(key);

    /// <exception cref="ApiException">The key is missing or wrong.</exception>
    public void Check(HttpContext context)
    {
        if (_hash is null)
            return;
        var header = context.Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            throw Refused("There is no key. Send it as 'Authorization: Bearer KEY'.");
        if (!CryptographicOperations.FixedTimeEquals(Hash(header[Scheme.Length..].Trim()), _hash))
            throw Refused("The key is not the one of this server.");
    }

    private static ApiException Refused(string message) => new(StatusCodes.Status401Unauthorized, "invalid_request_error", message, null, "invalid_api_key");

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
