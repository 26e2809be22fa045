using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tool.Chat;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Merging;

/// <summary>Merges adapters into their base and saves the result, in a folder beside that takes its name when all is there.</summary>
internal static class MergeRun
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    public static async Task<MergeReport> RunAsync(ModelSettings settings, string destination, SaveOptions options, ToolProgress progress, CancellationToken cancellationToken)
    {
        destination = Path.TrimEndingDirectorySeparator(Path.GetFullPath(destination));
        if (File.Exists(destination) || (Directory.Exists(destination) && Directory.EnumerateFileSystemEntries(destination).Any()))
            throw new ToolFileException(destination, "it is there already, and not empty. Name a new folder.");
        using var opened = await OpenedModel.OpenAsync(settings, progress, cancellationToken, needsTokenizer: false);
        if (opened.Peft is not { } peft)
            throw new UsageException("A P-Tuning v2 prefix puts keys and values before the text, which no weight can hold. Use it with --adapter.");
        progress.Report(new ProgressReport("merging", 0, 0, ""));
        var merged = await Task.Run(() => peft.MergeAndUnload(), cancellationToken);
        progress.Report(new ProgressReport("merging", 1, 1, ""));
        cancellationToken.ThrowIfCancellationRequested();
        var bytes = merged.NamedParameters().Sum(parameter => parameter.Parameter.ByteLength);
        var partial = $"{destination}.partial-{Environment.ProcessId}";
        try
        {
            var saving = Task.Run(() => Save(merged, opened, partial, options), CancellationToken.None);
            // What is written is all that can be seen of it from here.
            while (await Task.WhenAny(saving, Task.Delay(Interval, cancellationToken)) != saving)
            {
                if (cancellationToken.IsCancellationRequested)
                    break;
                progress.Report(new ProgressReport("saving", Math.Min(BytesOf(partial), bytes), bytes, "bytes"));
            }

            await saving; // a file under way is never left to another thread
            cancellationToken.ThrowIfCancellationRequested();
            progress.Report(new ProgressReport("saving", bytes, bytes, "bytes"));
            if (Directory.Exists(destination))
                Directory.Delete(destination); // empty, as was looked at
            Directory.Move(partial, destination);
        }
        finally
        {
            if (Directory.Exists(partial))
                Directory.Delete(partial, recursive: true);
        }

        return new MergeReport(destination, opened.Adapters, bytes);
    }

    private static void Save(PreTrainedModel merged, OpenedModel opened, string folder, SaveOptions options)
    {
        Directory.CreateDirectory(folder);
        merged.SavePretrained(folder, options);
        opened.TokenizerIfAny?.SavePretrained(folder);
        opened.Model.GenerationConfig.SavePretrained(folder);
    }

    private static long BytesOf(string folder) => Directory.Exists(folder) ? new DirectoryInfo(folder).EnumerateFiles().Sum(file => file.Length) : 0;
}
