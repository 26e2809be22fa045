using ChatGLM.Formats;
using ChatGLM.Tensors;
using Microsoft.Win32.SafeHandles;

namespace ChatGLM.Snapshots;

/// <summary>
/// Reads pieces of tensors with ordinary reads instead of through the mapping: pages of a mapped file count as the program's memory until the system takes them away, and a disk reads ahead further for a reader
/// that goes straight on.
/// </summary>
internal sealed class PieceReader : IDisposable
{
    private TensorRecipe? _recipe;
    private TensorBytes _bytes;
    private string? _path;
    private SafeFileHandle? _file;

    /// <summary>Reads rows of a recipe's source.</summary>
    /// <param name="recipe">What is being made.</param>
    /// <param name="firstRow">The first row.</param>
    /// <param name="target">As many bytes as the rows have.</param>
    /// <exception cref="CheckpointException">The file cannot be read, or is shorter than it was.</exception>
    public void Read(TensorRecipe recipe, long firstRow, Span<byte> target)
    {
        if (!ReferenceEquals(recipe, _recipe))
            Open(recipe);
        var at = firstRow * recipe.RowBytes;
        if (_file is null)
        {
            _bytes.Slice(at, target.Length).CopyTo(target);
            GC.KeepAlive(_bytes.Owner);
            return;
        }

        try
        {
            for (var done = 0; done < target.Length;)
            {
                var read = RandomAccess.Read(_file, target[done..], _bytes.Offset + at + done);
                if (read == 0)
                    throw new CheckpointException(recipe.Entry.File, $"the file ended inside '{recipe.Entry.Name}': it was cut off while it was read.");
                done += read;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(recipe.Entry.File, $"'{recipe.Entry.Name}' cannot be read: {e.Message}", e);
        }
    }

    public void Dispose() => _file?.Dispose();

    private void Open(TensorRecipe recipe)
    {
        // What a .bin file holds packed or out of order is unpacked here, a tensor at a time.
        _bytes = recipe.Entry.Bytes();
        _recipe = recipe;
        var path = _bytes.Owner.Storage is MappedFile mapped ? mapped.Path : null;
        if (path == _path)
            return;
        _file?.Dispose();
        _path = path;
        _file = path is null ? null : File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, FileOptions.SequentialScan);
    }
}
