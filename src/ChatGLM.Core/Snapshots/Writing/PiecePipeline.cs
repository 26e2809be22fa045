using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>Three things at once: pieces of tensors are read, computed and written, each by a thread, with a few pieces between them.</summary>
internal sealed class PiecePipeline : IDisposable
{
    /// <summary>A piece is read, one is computed, one is written, one lies between them. Their results take as much again.</summary>
    private const int Pieces = 4;

    private readonly IReadOnlyList<TensorRecipe> _recipes;
    private readonly IReadOnlyDictionary<Tensor, string> _names;
    private readonly ShardFiles _files;
    private readonly IProgress<SnapshotProgress>? _progress;
    private readonly CancellationTokenSource _stop;
    private readonly long _pieceBytes;
    private readonly BlockingCollection<ByteRegion> _free = [];
    private readonly BlockingCollection<Piece> _read = [];
    private readonly BlockingCollection<Piece> _computed = [];
    private readonly List<ByteRegion> _buffers = [];
    private ExceptionDispatchInfo? _failure;

    private PiecePipeline(
        IReadOnlyList<TensorRecipe> recipes, IReadOnlyDictionary<Tensor, string> names, ShardFiles files, SnapshotWriteOptions options, IProgress<SnapshotProgress>? progress, CancellationToken cancellationToken)
    {
        _recipes = recipes;
        _names = names;
        _files = files;
        _progress = progress;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _pieceBytes = Math.Min(options.PieceBytes, options.MemoryLimit / (2 * Pieces));
        var bufferBytes = recipes.Select(recipe => RowsPerPiece(recipe) * recipe.RowBytes).DefaultIfEmpty().Max();
        for (var i = 0; i < Pieces; i++)
        {
            _buffers.Add(ByteRegion.Allocate("a piece of a tensor", bufferBytes));
            _free.Add(_buffers[i], CancellationToken.None);
        }
    }

    /// <summary>Makes everything.</summary>
    /// <param name="recipes">What to make, in this order.</param>
    /// <param name="names">The names of the recipes' results.</param>
    /// <param name="files">Where it goes.</param>
    /// <param name="options">What pieces and their results may take; a block of rows that belong together is taken whole all the same.</param>
    /// <param name="progress">Told after every piece.</param>
    /// <param name="cancellationToken">Stops between two pieces.</param>
    public static void Run(
        IReadOnlyList<TensorRecipe> recipes, IReadOnlyDictionary<Tensor, string> names, ShardFiles files, SnapshotWriteOptions options, IProgress<SnapshotProgress>? progress, CancellationToken cancellationToken)
    {
        using var pipeline = new PiecePipeline(recipes, names, files, options, progress, cancellationToken);
        using var suspended = TensorScope.Suspend();
        var reading = Task.Factory.StartNew(() => pipeline.Guard(pipeline.ReadAll), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var writing = Task.Factory.StartNew(() => pipeline.Guard(pipeline.WriteAll), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        pipeline.Guard(pipeline.ComputeAll);
        Task.WaitAll([reading, writing], CancellationToken.None);
        pipeline._failure?.Throw();
        cancellationToken.ThrowIfCancellationRequested();
    }

    public void Dispose()
    {
        // Only what a failure left between the threads still holds something.
        foreach (var piece in _read.Concat(_computed))
            piece.Results?.ToList().ForEach(result => result.Dispose());
        _buffers.ForEach(buffer => buffer.Dispose());
        _free.Dispose();
        _read.Dispose();
        _computed.Dispose();
        _stop.Dispose();
    }

    private long RowsPerPiece(TensorRecipe recipe)
    {
        var blocks = Math.Max(1, _pieceBytes / Math.Max(1, recipe.LargestBlockBytes));
        return Math.Min(recipe.Rows, blocks * recipe.RowsTogether);
    }

    private void ReadAll()
    {
        using var reader = new PieceReader();
        foreach (var recipe in _recipes)
        {
            var step = RowsPerPiece(recipe);
            for (long row = 0; row < recipe.Rows; row += step)
            {
                var rows = (int)Math.Min(step, recipe.Rows - row);
                var buffer = _free.Take(_stop.Token);
                reader.Read(recipe, row, buffer.Writable(0, rows * recipe.RowBytes));
                _read.Add(new Piece(recipe, row, rows, buffer), _stop.Token);
            }
        }

        _read.CompleteAdding();
    }

    private void ComputeAll()
    {
        foreach (var piece in _read.GetConsumingEnumerable(_stop.Token))
        {
            piece.Results = piece.Recipe.Make(piece.Buffer.Storage, piece.FirstRow, piece.Rows);
            _computed.Add(piece, _stop.Token);
        }

        _computed.CompleteAdding();
    }

    private void WriteAll()
    {
        var total = _recipes.Sum(recipe => recipe.Entry.LengthInBytes);
        long done = 0;
        foreach (var piece in _computed.GetConsumingEnumerable(_stop.Token))
        {
            for (var i = 0; i < piece.Results!.Count; i++)
            {
                using var result = piece.Results[i];
                _files.Write(_names[piece.Recipe.Results[i]], piece.Recipe.OffsetOf(i, piece.FirstRow), result);
            }

            _free.Add(piece.Buffer, _stop.Token);
            done += piece.Rows * piece.Recipe.RowBytes;
            _progress?.Report(new SnapshotProgress(piece.Recipe.Entry.Name, done, total));
        }
    }

    /// <summary>The first failure stops the other two threads, and is the one that the caller gets.</summary>
    private void Guard(Action work)
    {
        try
        {
            work();
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Said by the caller's token, or by the failure that stopped us.
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);
            _stop.Cancel();
        }
    }

    private sealed class Piece(TensorRecipe recipe, long firstRow, int rows, ByteRegion buffer)
    {
        public TensorRecipe Recipe { get; } = recipe;

        public long FirstRow { get; } = firstRow;

        public int Rows { get; } = rows;

        public ByteRegion Buffer { get; } = buffer;

        public IReadOnlyList<Tensor>? Results { get; set; }
    }
}
