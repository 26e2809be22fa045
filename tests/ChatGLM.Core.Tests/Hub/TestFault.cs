namespace ChatGLM.Core.Tests.Hub;

/// <summary>What the test hub does wrong with one answer.</summary>
internal sealed record TestFault
{
    /// <summary>Answers with this status and no content.</summary>
    public int? Status { get; init; }

    /// <summary>Headers to add, or to put in place of the right ones.</summary>
    public Dictionary<string, string> Headers { get; init; } = [];

    /// <summary>Cuts the connection after so many bytes of the content.</summary>
    public int? CutAfter { get; init; }

    /// <summary>Sends this content.</summary>
    public byte[]? Content { get; init; }

    /// <summary>Sends the whole file whatever was asked for.</summary>
    public bool IgnoresRange { get; init; }

    /// <summary>Announces no length: the content ends with the connection.</summary>
    public bool HidesLength { get; init; }

    /// <summary>Says nothing until the client goes away.</summary>
    public bool IsSilent { get; init; }

    /// <summary>Says nothing after the headers.</summary>
    public bool IsSilentAfterHeaders { get; init; }
}

/// <summary>What a client asked the test hub for.</summary>
internal sealed record TestRequest(string Method, string Target, IReadOnlyDictionary<string, string> Headers, bool IsStore)
{
    public string? Token => Headers.GetValueOrDefault("authorization");

    public long From => Headers.TryGetValue("range", out var range) ? long.Parse(range["bytes=".Length..].TrimEnd('-')) : 0;

    public bool IsContent => Method == "GET" && (IsStore || Target.Contains("/resolve/") || Target.Contains("/repo?"));
}
