using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Snapshots;

/// <summary>How one tensor of a source becomes tensors of a new snapshot, a piece at a time. A piece is some of the source's rows, and gives a run of bytes of each result.</summary>
internal abstract class TensorRecipe(CheckpointEntry entry, IReadOnlyList<Tensor> results)
{
    /// <summary>What is read.</summary>
    public CheckpointEntry Entry { get; } = entry;

    /// <summary>What is made of it, without memory behind it: the parameters of a planned model.</summary>
    public IReadOnlyList<Tensor> Results { get; } = results;

    /// <summary>The rows of the source.</summary>
    public abstract long Rows { get; }

    /// <summary>How many rows belong together: a piece begins at a multiple of it.</summary>
    public virtual int RowsTogether => 1;

    /// <summary>The bytes of a row of the source.</summary>
    public long RowBytes => Rows == 0 ? 0 : Entry.LengthInBytes / Rows;

    /// <summary>The bytes that <see cref="RowsTogether"/> rows take, in the source or as results, whichever is more.</summary>
    public long LargestBlockBytes => Math.Max(RowBytes * RowsTogether, Results.Sum(BlockBytes));

    /// <summary>Where in a result the piece that begins at a row lies.</summary>
    public long OffsetOf(int result, long firstRow) => firstRow / RowsTogether * BlockBytes(Results[result]);

    /// <summary>The results' pieces, in the order of <see cref="Results"/>. The caller disposes them.</summary>
    /// <param name="piece">Rows of the source, one after the other.</param>
    /// <param name="firstRow">Which row is the first.</param>
    /// <param name="rows">How many there are.</param>
    public abstract IReadOnlyList<Tensor> Make(HostStorage piece, long firstRow, int rows);

    private long BlockBytes(Tensor result) => Rows == 0 ? 0 : result.ByteLength / ((Rows + RowsTogether - 1) / RowsTogether);

    /// <summary>A second handle on the piece's memory, as a tensor.</summary>
    protected static Tensor View(Backend backend, HostStorage piece, in Shape shape, DType dtype)
    {
        piece.Retain();
        return new Tensor(backend, piece, shape, dtype);
    }
}
