using System.Reflection;

namespace ChatGLM.PublicApi.Tests;

/// <summary>The public surface of each package is a checked-in text file, so that every change to it is seen in a review.</summary>
public sealed class PublicApiTests
{
    [Theory]
    [InlineData("ChatGLM.Tensors")]
    [InlineData("ChatGLM.Core")]
    [InlineData("ChatGLM.Extensions.AI")]
    [InlineData("ChatGLM.Peft")]
    public void The_public_surface_is_the_one_that_is_written_down(string package)
    {
        var file = Path.Combine(RepositoryRoot(), "docs", "api", package + ".txt");
        var actual = PublicSurface.Describe(Assembly.Load(package));
        if (Environment.GetEnvironmentVariable("CHATGLM_UPDATE_API") == "1")
            File.WriteAllLines(file, actual);
        var written = File.Exists(file) ? File.ReadAllLines(file) : [];
        var added = actual.Except(written).ToList();
        var removed = written.Except(actual).ToList();
        (added.Count + removed.Count).Should().Be(
            0,
            "docs/api/{0}.txt lists the public surface; run CHATGLM_UPDATE_API=1 dotnet test tests/ChatGLM.PublicApi.Tests if the change is meant.\nadded:\n  {1}\nremoved:\n  {2}",
            package,
            string.Join("\n  ", added),
            string.Join("\n  ", removed));
    }

    private static string RepositoryRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "ChatGLM.sln")))
                return at.FullName;
        }

        throw new DirectoryNotFoundException($"No ChatGLM.sln above {AppContext.BaseDirectory}.");
    }
}
