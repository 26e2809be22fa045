namespace ChatGLM.Samples.QuickStart;

/// <summary>What the command line says.</summary>
internal sealed record QuickStartOptions
{
    public string Model { get; init; } = DemoSnapshot.Folder;

    /// <summary>Rows to learn from: questions in <c>content</c>, answers in <c>summary</c>, as in AdvertiseGen.</summary>
    public string TrainFile { get; init; } = Path.Combine(AppContext.BaseDirectory, "Data", "train.json");

    /// <summary>Rows that measure the model before and after; none of them is learned from.</summary>
    public string TestFile { get; init; } = Path.Combine(AppContext.BaseDirectory, "Data", "test.json");

    /// <summary>Where the adapter is written; a new temporary folder if null.</summary>
    public string? Output { get; init; }

    public int Steps { get; init; } = 250;

    public int BatchSize { get; init; } = 8;

    public int Rank { get; init; } = 8;

    public double LearningRate { get; init; } = 3e-3;

    /// <summary>Steps from one log entry to the next; a fifth of all if null.</summary>
    public int? LoggingSteps { get; init; }

    public int Seed { get; init; } = 42;

    /// <summary>How many threads compute; 0 for one per core. Results do not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>What is asked in the first part.</summary>
    public IReadOnlyList<string> Questions { get; init; } = ["你好", "What is the capital of France?", "And Japan?", "类型#裙*颜色#红色*风格#简约"];

    /// <summary>How many of the test rows are shown before and after.</summary>
    public int Shown { get; init; } = 4;
}
