using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tokenizers;

namespace ChatGLM.Snapshots;

/// <summary>What a new snapshot is made from. Everything but the weights is read when it is opened, so that nothing but a weight can fail hours later.</summary>
internal sealed class SnapshotSource : IDisposable
{
    /// <summary>The largest tokenizer has 3 MB; what is larger is no companion of the weights.</summary>
    private const int MaxCompanionBytes = 64 << 20;

    private static readonly string[] CompanionExtensions = [".json", ".model", ".txt", ".py", ".md", ".jinja"];

    private SnapshotSource(string path, ChatGLMConfig config, Checkpoint checkpoint, GenerationConfig generation, IReadOnlyList<(string Name, byte[] Bytes)> companions)
    {
        Path = path;
        Config = config;
        Checkpoint = checkpoint;
        Generation = generation;
        Companions = companions;
    }

    /// <summary>The folder or file.</summary>
    public string Path { get; }

    public ChatGLMConfig Config { get; }

    public Checkpoint Checkpoint { get; }

    public GenerationConfig Generation { get; }

    /// <summary>Tokenizer, licence and so on, as they are.</summary>
    public IReadOnlyList<(string Name, byte[] Bytes)> Companions { get; }

    /// <summary>Opens a snapshot folder, or a GGUF file.</summary>
    public static SnapshotSource Open(string path)
    {
        if (GgufFile.IsAt(path))
        {
            var described = GgufConfig.Read(path);
            return new SnapshotSource(path, described, Checkpoint.Open(path), described.ToGenerationConfig(), GgufTokenizer.Files(path));
        }

        var config = AutoConfig.FromFolder(path);
        return new SnapshotSource(path, config, Checkpoint.Open(path), ModelLoader.ReadGenerationConfig(path, config), ReadCompanions(path));
    }

    public void Dispose() => Checkpoint.Dispose();

    private static List<(string Name, byte[] Bytes)> ReadCompanions(string folder)
    {
        var companions = new List<(string Name, byte[] Bytes)>();
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles().Where(file => IsCompanion(file.Name)).OrderBy(file => file.Name, StringComparer.Ordinal))
        {
            if (file.LinkTarget is null && file.Length > MaxCompanionBytes)
                continue;
            companions.Add((file.Name, SnapshotFile.Read(file.FullName, MaxCompanionBytes, (problem, cause) => new CheckpointException(file.FullName, problem, cause))));
        }

        return companions;
    }

    /// <summary>Whether a file travels with the weights. Indexes of weights, adapters and training states do not; the configurations are written anew.</summary>
    private static bool IsCompanion(string name) =>
        name is not (NewSnapshot.ConfigFile or GenerationConfig.FileName)
        && !name.StartsWith('.')
        && !name.EndsWith(".index.json", StringComparison.OrdinalIgnoreCase)
        && !name.StartsWith("adapter_", StringComparison.OrdinalIgnoreCase)
        && !name.StartsWith("trainer_", StringComparison.OrdinalIgnoreCase)
        && (CompanionExtensions.Contains(System.IO.Path.GetExtension(name), StringComparer.OrdinalIgnoreCase) || name.Contains("LICENSE", StringComparison.OrdinalIgnoreCase));
}
