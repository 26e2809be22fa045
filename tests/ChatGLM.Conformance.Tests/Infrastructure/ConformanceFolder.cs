namespace ChatGLM.Conformance.Tests.Infrastructure;

/// <summary>
/// Finds the recorded cases: always those copied into the project (<c>Cases/</c>), and those of the folder named by
/// <c>CHATGLM_CONFORMANCE</c>, else of <c>../shared/conformance</c> beside the repository when it is there.
/// </summary>
public static class ConformanceFolder
{
    private static readonly Lazy<IReadOnlyDictionary<string, ConformanceCase>> Cases = new(FindAll);

    public static string RepositoryRoot { get; } = FindRepositoryRoot();

    public static string BundledRoot => Path.Combine(RepositoryRoot, "tests", "ChatGLM.Conformance.Tests", "Cases");

    /// <summary>The folder outside the project, or null when there is none; a variable that names no folder is an error.</summary>
    public static string? ExternalRoot
    {
        get
        {
            if (Environment.GetEnvironmentVariable("CHATGLM_CONFORMANCE") is { Length: > 0 } named)
            {
                return Directory.Exists(named)
                    ? Path.GetFullPath(named)
                    : throw new DirectoryNotFoundException($"CHATGLM_CONFORMANCE names '{named}', which is not a folder.");
            }

            var beside = Path.GetFullPath(Path.Combine(RepositoryRoot, "..", "shared", "conformance"));
            return Directory.Exists(beside) ? beside : null;
        }
    }

    public static IEnumerable<ConformanceCase> All => Cases.Value.Values;

    public static ConformanceCase Get(string name) => Cases.Value[name];

    public static IEnumerable<ConformanceCase> OfKind(string kind) => All.Where(c => c.Kind == kind);

    private static Dictionary<string, ConformanceCase> FindAll()
    {
        var found = new Dictionary<string, ConformanceCase>();
        foreach (var (label, root) in new[] { ("bundled", BundledRoot), ("external", ExternalRoot) })
        {
            if (root is null || !Directory.Exists(root))
                continue;
            foreach (var file in Directory.EnumerateFiles(root, "case.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            {
                var folder = Path.GetDirectoryName(file)!;
                var name = label + "/" + Path.GetRelativePath(root, folder).Replace('\\', '/');
                found.Add(name, ConformanceCase.Load(name, folder));
            }
        }

        return found;
    }

    private static string FindRepositoryRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "ChatGLM.sln")))
                return at.FullName;
        }

        throw new DirectoryNotFoundException($"No ChatGLM.sln above {AppContext.BaseDirectory}.");
    }
}
