using System.Collections;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ChatGLM.Training;

/// <summary>
/// The tokenized rows of a data file, kept on disk and read one by one when they are asked for: data of any size takes the memory of a batch. Rows are found again by the content of the data file,
/// the tokenizer and the options; what is damaged or of something else is made anew. Several processes can open the same data at the same time.
/// </summary>
public sealed partial class TokenizedDataset : IReadOnlyList<TokenizedExample>, IDisposable
{
    /// <summary>The records of one portion of work, as many as the script's <c>map</c> takes at a time.</summary>
    private const int PortionRecords = 1000;
    private const string Extension = ".rows";
    private const string Partial = ".partial";

    private readonly TokenizedFile _file;

    private TokenizedDataset(TokenizedFile file, string path, bool wasKept) => (_file, CachePath, WasKept) = (file, path, wasKept);

    /// <summary>The file that the rows are kept in.</summary>
    public string CachePath { get; }

    /// <summary>Whether the rows had been kept, so that nothing was tokenized.</summary>
    public bool WasKept { get; }

    /// <inheritdoc/>
    public int Count => _file.Count;

    /// <summary>Reads a row. Safe on several threads.</summary>
    /// <param name="index">From 0.</param>
    public TokenizedExample this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return _file.Read(index);
        }
    }

    /// <summary>Opens the rows of a data file; tokenizes it first unless that has been done before.</summary>
    /// <param name="dataFile">What <see cref="TrainingFile.ReadRecords(string)"/> reads.</param>
    /// <param name="features">Makes rows of records, such as <see cref="Seq2SeqFeatures.Training"/>.</param>
    /// <param name="options">The defaults if null.</param>
    /// <param name="cancellationToken">Looked at before every portion of records; nothing is left behind.</param>
    /// <exception cref="TrainingDataException">The data is damaged, or rows cannot be kept.</exception>
    public static TokenizedDataset Open(string dataFile, IFeatureBuilder features, TokenizedDatasetOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(dataFile);
        ArgumentNullException.ThrowIfNull(features);
        options ??= new();
        if (options.MaxSamples is < 0)
            throw new TrainingArgumentsException("max_samples", $"expected 0 or more, found {options.MaxSamples}.");
        if (options.NumWorkers is < 1)
            throw new TrainingArgumentsException("preprocessing_num_workers", $"expected 1 or more, found {options.NumWorkers}.");
        var logger = options.Logger ?? NullLogger.Instance;
        var records = TrainingFile.ReadRecords(dataFile);
        var before = new FileInfo(dataFile);
        var key = Key(dataFile, features, options, cancellationToken);
        var folder = options.CacheFolder ?? DefaultFolder();
        var path = Path.Combine(folder, $"{Path.GetFileNameWithoutExtension(dataFile)}-{Convert.ToHexStringLower(key.AsSpan(0, 12))}{Extension}");
        if (!options.OverwriteCache && TokenizedFile.TryOpen(path, key) is { } kept)
        {
            LogKept(logger, kept.Count, dataFile, path);
            return new TokenizedDataset(kept, path, wasKept: true);
        }

        try
        {
            Directory.CreateDirectory(folder);
            Sweep(folder, Path.GetFileName(path));
            var made = Make(path, key, options.MaxSamples is { } most ? records.Take(most) : records, features, options.NumWorkers ?? Environment.ProcessorCount, cancellationToken);
            var after = new FileInfo(dataFile);
            if ((after.Length, after.LastWriteTimeUtc) != (before.Length, before.LastWriteTimeUtc))
            {
                made.Dispose();
                File.Delete(path);
                throw new TrainingDataException(dataFile, "it was changed while it was being read. Run again when nothing writes to it.");
            }

            LogMade(logger, made.Count, dataFile, path);
            return new TokenizedDataset(made, path, wasKept: false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new TrainingDataException(folder, $"rows cannot be kept there: {error.Message} Name another folder (cache_dir, or CacheFolder in code), or make room.");
        }
    }

    /// <inheritdoc/>
    public IEnumerator<TokenizedExample> GetEnumerator()
    {
        for (var i = 0; i < Count; i++)
            yield return _file.Read(i);
    }

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Closes the file. It stays where it is, for the next run.</summary>
    public void Dispose() => _file.Dispose();

    internal static string DefaultFolder()
    {
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } named
            ? named
            : OperatingSystem.IsWindows()
                ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(cache, "chatglm-net", "rows");
    }

    private static byte[] Key(string dataFile, IFeatureBuilder features, TokenizedDatasetOptions options, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{features.Fingerprint}\n{options.MaxSamples}\n{Path.GetExtension(dataFile).ToLowerInvariant()}\n")));
        using var stream = TrainingFile.OpenRead(dataFile);
        var buffer = new byte[1 << 20];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, read);
        }

        return hash.GetHashAndReset();
    }

    /// <summary>Writes the rows beside and renames them. A process that was faster has written the same bytes.</summary>
    private static TokenizedFile Make(string path, byte[] key, IEnumerable<TrainingRecord> records, IFeatureBuilder features, int workers, CancellationToken cancellationToken)
    {
        var partial = $"{path}.{Guid.NewGuid():N}{Partial}";
        try
        {
            using (var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1 << 18))
            {
                TokenizedFile.Write(stream, key, Rows(records, features, workers, cancellationToken));
                stream.Flush(flushToDisk: true);
            }

            try
            {
                File.Move(partial, path, overwrite: true);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Windows does not replace a file that another process has open; then what stands there is as good.
                if (TokenizedFile.TryOpen(path, key) is not { } others)
                    throw;
                return others;
            }
        }
        finally
        {
            File.Delete(partial);
        }

        return TokenizedFile.TryOpen(path, key) ?? throw new TrainingDataException(path, "the rows that were just written do not read back the same. Check the disk.");
    }

    /// <summary>The rows in the order of the records, whatever the number of workers: a portion of records is tokenized side by side, and given out before the next is read.</summary>
    private static IEnumerable<TokenizedExample> Rows(IEnumerable<TrainingRecord> records, IFeatureBuilder features, int workers, CancellationToken cancellationToken)
    {
        foreach (var portion in records.Chunk(PortionRecords))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = new TokenizedExample[portion.Length][];
            var failed = new Exception?[portion.Length];
            Parallel.For(0, portion.Length, new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellationToken }, i =>
            {
                try
                {
                    rows[i] = [.. features.Build(portion[i])];
                }
                catch (Exception error)
                {
                    failed[i] = error;
                }
            });
            // The first of the file, not the first in time: the same error for any number of workers.
            if (Array.Find(failed, error => error is not null) is { } first)
                ExceptionDispatchInfo.Throw(first);
            foreach (var row in rows.SelectMany(of => of))
                yield return row;
        }
    }

    /// <summary>Removes what a process that died has left; a file that is being written is locked.</summary>
    private static void Sweep(string folder, string name)
    {
        foreach (var left in Directory.EnumerateFiles(folder, $"{name}.*{Partial}"))
        {
            try
            {
                using (new FileStream(left, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
                    File.Delete(left);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Another process is writing it.
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Count} rows of {DataFile}, kept in {Path}")]
    private static partial void LogKept(ILogger logger, int count, string dataFile, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "Tokenized {DataFile}: {Count} rows, kept in {Path}")]
    private static partial void LogMade(ILogger logger, int count, string dataFile, string path);
}
