namespace ChatGLM.Models;

/// <summary>A checkpoint lacks parameters of the model that its config.json describes.</summary>
public sealed class MissingWeightsException : ChatGLMException
{
    internal MissingWeightsException(LoadReport report, string whatTheFileIs)
        : base($"{report.Folder}: {report.Missing.Count} parameters of the model are not in its weight files ({string.Join(", ", report.Missing.Take(3))}{(report.Missing.Count > 3 ? ", ..." : "")}). {whatTheFileIs}") => Report = report;

    /// <summary>All that loading found.</summary>
    public LoadReport Report { get; }
}
