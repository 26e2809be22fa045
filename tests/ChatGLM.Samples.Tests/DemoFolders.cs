namespace ChatGLM.Samples.Tests;

/// <summary>Where things lie in the repository.</summary>
internal static class DemoFolders
{
    public static string Root { get; } = FindRoot();

    public static string Snapshot { get; } = Path.Combine(Root, "samples", "Snapshot");

    public static string VoiceData { get; } = Path.Combine(Root, "samples", "QuickStart", "Data");

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "ChatGLM.sln")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds ChatGLM.sln.");
    }
}
