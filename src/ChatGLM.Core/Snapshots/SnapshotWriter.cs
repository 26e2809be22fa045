using System.Diagnostics;
using ChatGLM.Formats;
using ChatGLM.Generation;
using ChatGLM.Hub;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>Writes a snapshot from another one: plan, stream, then give the files their names.</summary>
internal static class SnapshotWriter
{
    private const int NoSpace = 28; // ENOSPC
    private const int WindowsDiskFull = unchecked((int)0x80070070);
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027);

    /// <param name="source">A folder, a GGUF file or a repo.</param>
    /// <param name="destination">The new folder.</param>
    /// <param name="change">From the source's configuration to the new one.</param>
    /// <param name="dtype">The type of dense weights; null for the one they have.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="progress">Told after every piece.</param>
    /// <param name="cancellationToken">Stops between two pieces.</param>
    public static async Task<SnapshotReport> WriteAsync(
        string source, string destination, Func<ChatGLMConfig, ChatGLMConfig> change, DType? dtype, SnapshotWriteOptions? options, IProgress<SnapshotProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentException.ThrowIfNullOrEmpty(destination);
        options ??= new SnapshotWriteOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MemoryLimit, SnapshotWriteOptions.SmallestMemoryLimit, nameof(options));
        var maxShardBytes = ShardSize.Parse(options.MaxShardSize);
        var folder = await SnapshotResolver.ResolveAsync(source, options.Revision, null, false, options.Hub, SnapshotParts.Model, cancellationToken).ConfigureAwait(false);
        return await Task.Run(() => Write(folder, destination, change, dtype, options, maxShardBytes, progress, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private static SnapshotReport Write(
        string path, string destination, Func<ChatGLMConfig, ChatGLMConfig> change, DType? dtype, SnapshotWriteOptions options, long maxShardBytes, IProgress<SnapshotProgress>? progress, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        using var source = SnapshotSource.Open(path);
        var config = change(source.Config);
        config.Validate();
        using var plan = WeightPlan.Make(path, source.Checkpoint, config, dtype, options.Backend ?? CpuBackend.Shared);
        using var snapshot = NewSnapshot.Begin(destination);
        try
        {
            RequireRoom(plan, snapshot, options);
            using var files = new ShardFiles(snapshot, plan.Tensors, maxShardBytes);
            PiecePipeline.Run(plan.Recipes, plan.Names, files, options, progress, cancellationToken);
            var weightFiles = files.Publish();
            var otherFiles = WriteCompanions(source, snapshot, plan.Config);
            snapshot.Keep();
            return new SnapshotReport
            {
                Folder = snapshot.Folder,
                WeightFiles = weightFiles,
                OtherFiles = otherFiles,
                LeftOut = plan.LeftOut,
                SourceBytes = plan.Recipes.Sum(recipe => recipe.Entry.LengthInBytes),
                WrittenBytes = files.TensorBytes,
                Seconds = watch.Elapsed.TotalSeconds,
            };
        }
        catch (IOException e) when (e.HResult is NoSpace or WindowsDiskFull or WindowsHandleDiskFull)
        {
            throw new SnapshotWriteException(snapshot.Folder, $"the disk is full: the weights alone need {plan.Tensors.Sum(t => t.Value.ByteLength)} bytes. Nothing was kept; make room, or choose another disk.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SnapshotWriteException(snapshot.Folder, $"it cannot be written: {e.Message} Nothing was kept.", e);
        }
    }

    /// <summary>Asked before room is reserved: a file system that has not enough may take all it has before it says so.</summary>
    private static void RequireRoom(WeightPlan plan, NewSnapshot snapshot, SnapshotWriteOptions options)
    {
        var needed = plan.Tensors.Sum(t => t.Value.ByteLength);
        if (options.FreeSpace(snapshot.Folder) is { } free && free < needed)
            throw new SnapshotWriteException(snapshot.Folder, $"the weights need {needed} bytes, the disk has {free}. Make room, or choose another disk.");
    }

    /// <summary>Copies and writes what stands beside the weights. Returns the names.</summary>
    private static List<string> WriteCompanions(SnapshotSource source, NewSnapshot snapshot, ChatGLMConfig config)
    {
        var names = new List<string>();
        foreach (var (name, bytes) in source.Companions)
            Add(name, path => AtomicFile.Write(path, stream => stream.Write(bytes)));
        if (!config.Architectures.Contains("ChatGLMForSequenceClassification"))
            Add(GenerationConfig.FileName, _ => source.Generation.SavePretrained(snapshot.Folder));
        Add(NewSnapshot.ConfigFile, _ => config.SavePretrained(snapshot.Folder));
        return names;

        void Add(string name, Action<string> write)
        {
            snapshot.Add(name, write);
            names.Add(name);
        }
    }
}
