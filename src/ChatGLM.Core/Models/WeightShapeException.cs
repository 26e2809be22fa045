namespace ChatGLM.Models;

/// <summary>A checkpoint holds tensors of other shapes than its config.json describes.</summary>
public sealed class WeightShapeException : ChatGLMException
{
    internal WeightShapeException(LoadReport report)
        : base($"{report.Folder}: {report.Misshaped.Count} tensors have another shape than config.json describes ("
            + string.Join("; ", report.Misshaped.Take(3).Select(m => $"{m.Name}: expected {m.Expected}, found {m.Found}")) + (report.Misshaped.Count > 3 ? "; ..." : "")
            + "). The configuration and the weights are not of one model: download the snapshot again.") => Report = report;

    /// <summary>All that loading found.</summary>
    public LoadReport Report { get; }
}
