namespace ChatGLM.Samples;

/// <summary>The small model that comes with every sample (<c>samples/Snapshot</c>, made by <c>tools/TrainDemo</c>).</summary>
internal static class DemoSnapshot
{
    /// <summary>Its folder, beside the program.</summary>
    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Snapshot");
}
