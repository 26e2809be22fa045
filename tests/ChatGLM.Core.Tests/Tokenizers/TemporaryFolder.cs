namespace ChatGLM.Core.Tests.Tokenizers;

/// <summary>A folder that goes away with its test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("test").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
