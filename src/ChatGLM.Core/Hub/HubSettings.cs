using ChatGLM.Snapshots;

namespace ChatGLM.Hub;

/// <summary>The options with the variables and defaults filled in.</summary>
internal sealed class HubSettings
{
    private const int MaxTokenBytes = 4096;

    public HubSettings(HubOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxWorkers, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxRetries);
        if (options.Timeout <= TimeSpan.Zero && options.Timeout != System.Threading.Timeout.InfiniteTimeSpan)
            throw new ArgumentOutOfRangeException(nameof(options), options.Timeout, "The timeout must be positive, or infinite.");
        Options = options;
        IsModelScope = options.Source switch
        {
            HubSource.HuggingFace => false,
            HubSource.ModelScope => true,
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.Source, "The source is none of those that exist."),
        };
        CacheDir = options.CacheDir ?? (IsModelScope ? ModelScopeCache() : SnapshotLocator.DefaultCache(options.Environment));
        IsOffline = options.LocalFilesOnly || IsOn("HF_HUB_OFFLINE") || IsOn("TRANSFORMERS_OFFLINE");
    }

    public HubOptions Options { get; }

    public bool IsModelScope { get; }

    public string DefaultRevision => IsModelScope ? "master" : "main";

    public string CacheDir { get; }

    public bool IsOffline { get; }

    public Uri Endpoint()
    {
        var (variable, own) = IsModelScope ? ("MODELSCOPE_ENDPOINT", "https://www.modelscope.cn") : ("HF_ENDPOINT", "https://huggingface.co");
        var text = options(Options.Endpoint) ?? Variable(variable) ?? own;
        // The SDK's MODELSCOPE_ENDPOINT is often given as a bare host.
        if (IsModelScope && !text.Contains("://", StringComparison.Ordinal))
            text = "https://" + text;
        return Uri.TryCreate(text.TrimEnd('/') + "/", UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.Query.Length == 0
            ? uri
            : throw new HubProtocolException(text, $"'{text}' is not the address of a hub: expected something like {own}. Correct {variable} or HubOptions.Endpoint.");

        static string? options(string? value) => string.IsNullOrEmpty(value) ? null : value;
    }

    public string? Token()
    {
        var token = Options.Token ?? (IsModelScope ? Variable("MODELSCOPE_API_TOKEN") : HuggingFaceToken());
        token = token?.Trim();
        if (string.IsNullOrEmpty(token))
            return null;
        // Anything else could end the header and begin another.
        return token.All(c => c is > ' ' and < '\x7f')
            ? token
            : throw new HubAccessDeniedException("", "the access token holds characters that no token has. Check HubOptions.Token, HF_TOKEN, and the file that login wrote.", isGated: false);
    }

    private string? HuggingFaceToken()
    {
        if ((Variable("HF_TOKEN") ?? Variable("HUGGING_FACE_HUB_TOKEN")) is { } token)
            return token;
        if (IsOn("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
            return null;
        var file = new FileInfo(Variable("HF_TOKEN_PATH") ?? Path.Combine(SnapshotLocator.HuggingFaceHome(Options.Environment), "token"));
        return file.Exists && file.Length <= MaxTokenBytes ? File.ReadAllText(file.FullName) : null;
    }

    private string ModelScopeCache() => Variable("MODELSCOPE_CACHE")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "modelscope", "hub");

    private bool IsOn(string name) => Variable(name)?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

    private string? Variable(string name) => Options.Environment(name) is { Length: > 0 } value ? value : null;
}
