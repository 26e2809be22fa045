using System.Reflection;

namespace ChatGLM.Docs.Tests;

/// <summary>The files of the repository.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>How this test was built: the programs beside it are built the same.</summary>
    public static string Configuration { get; } =
        typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == "Configuration").Value!;

    /// <summary>Every page of the project, with the name it has from the root.</summary>
    public static IReadOnlyList<MarkdownFile> Pages { get; } =
    [
        .. Directory.EnumerateFiles(Root, "*.md", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Where(name => !name.Split('/').Any(part => part is "bin" or "obj" or "artifacts" or "node_modules" || part.StartsWith('.')))
            .Order(StringComparer.Ordinal)
            .Select(name => MarkdownFile.Read(name, File.ReadAllText(PathOf(name)))),
    ];

    public static string PathOf(string name) => Path.Combine(Root, name);

    /// <summary>Whether a page is one for users, whose samples have to compile.</summary>
    public static bool IsForUsers(MarkdownFile page) =>
        page.Name is "README.md" or "README.zh-CN.md" || page.Name.StartsWith("docs/", StringComparison.Ordinal) || page.Name.StartsWith("src/", StringComparison.Ordinal) || page.Name.StartsWith("samples/", StringComparison.Ordinal);

    private static string FindRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "ChatGLM.sln")))
                return at.FullName;
        }

        throw new DirectoryNotFoundException($"No ChatGLM.sln above {AppContext.BaseDirectory}.");
    }
}
