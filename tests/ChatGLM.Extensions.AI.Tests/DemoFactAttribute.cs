namespace ChatGLM.Extensions.AI.Tests;

/// <summary>A test over the demonstration model of the samples; skipped in a checkout that lacks its weights.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class DemoFactAttribute : FactAttribute
{
    public DemoFactAttribute()
    {
        if (!File.Exists(Path.Combine(Snapshot, "model.safetensors")))
            Skip = $"{Snapshot} holds no weights.";
    }

    public static string Snapshot { get; } = Path.Combine(TinySnapshot.RepositoryRoot(), "samples", "Snapshot");
}
