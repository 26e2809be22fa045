using ChatGLM.Formats;
using ChatGLM.Tensors;
using Microsoft.Win32.SafeHandles;

namespace ChatGLM.Snapshots;

/// <summary>
/// The weight files of a new snapshot while they are written: laid out beforehand, with their room on the disk reserved, so that pieces of tensors are put where they belong in whatever order they are made.
/// The files have names that nobody reads until <see cref="Publish"/>.
/// </summary>
internal sealed class ShardFiles : IDisposable
{
    // What .NET throws where space cannot be reserved carries no more than the number of IOException itself.
    private const int NoRoom = unchecked((int)0x80131620);

    private readonly NewSnapshot _snapshot;
    private readonly List<List<TensorSource>> _shards;
    private readonly string[] _names;
    private readonly List<(string Path, SafeFileHandle Handle)> _files = [];
    private readonly Dictionary<string, (SafeFileHandle File, long Offset)> _places = new(StringComparer.Ordinal);

    /// <summary>Lays the files out and reserves their room.</summary>
    /// <param name="snapshot">Where they go.</param>
    /// <param name="tensors">What they hold, in the order in which it fills the shards.</param>
    /// <param name="maxShardBytes">The most bytes of tensors in one.</param>
    /// <exception cref="SnapshotWriteException">The disk has no room for them.</exception>
    public ShardFiles(NewSnapshot snapshot, IEnumerable<KeyValuePair<string, Tensor>> tensors, long maxShardBytes)
    {
        _snapshot = snapshot;
        _shards = ShardedSafetensorsWriter.Split(tensors.Select(t => TensorSource.Announce(t.Key, t.Value)), maxShardBytes);
        _names = _shards.Count == 1 ? [ShardedSafetensorsWriter.SingleName] : ShardedSafetensorsWriter.UsualNames(_shards.Count);
        try
        {
            for (var i = 0; i < _shards.Count; i++)
                Begin(_names[i], _shards[i]);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The bytes of all tensors.</summary>
    public long TensorBytes => _shards.Sum(shard => shard.Sum(tensor => tensor.LengthInBytes));

    /// <summary>Writes a piece of a tensor.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="offset">Where in it the piece begins.</param>
    /// <param name="piece">Its bytes: a tensor of any shape.</param>
    public unsafe void Write(string name, long offset, Tensor piece)
    {
        var (file, begin) = _places[name];
        var pointer = (byte*)((HostStorage)piece.Storage).Pointer + piece.ByteOffset;
        RandomAccess.Write(file, new ReadOnlySpan<byte>(pointer, checked((int)piece.ByteLength)), begin + offset);
        GC.KeepAlive(piece);
    }

    /// <summary>Brings everything onto the disk and gives the files their names, the index last. Returns the names.</summary>
    public IReadOnlyList<string> Publish()
    {
        foreach (var (_, handle) in _files)
            RandomAccess.FlushToDisk(handle);
        Dispose();
        for (var i = 0; i < _names.Length; i++)
            _snapshot.Rename(_files[i].Path, _names[i]);
        if (_names.Length == 1)
            return _names;
        _snapshot.Add(ShardedSafetensorsWriter.IndexName, path => AtomicFile.Write(path, stream => ShardedSafetensorsWriter.WriteIndex(stream, _shards, _names)));
        return [.. _names, ShardedSafetensorsWriter.IndexName];
    }

    public void Dispose() => _files.ForEach(file => file.Handle.Dispose());

    /// <summary>A new file whose room on the disk is taken, so that a disk that is too small says so now instead of an hour later.</summary>
    private SafeFileHandle Reserve(string path, string name, long bytes)
    {
        try
        {
            return File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, bytes);
        }
        catch (IOException e) when (e.HResult == NoRoom)
        {
            throw new SnapshotWriteException(_snapshot.Folder, $"there is no room for '{name}' of {bytes} bytes, or the file system holds no file of that size. Nothing was kept; make room, choose another disk, or smaller shards.", e);
        }
    }

    private void Begin(string name, List<TensorSource> tensors)
    {
        var (header, inOrder) = SafetensorsWriter.Plan(tensors, SafetensorsWriter.PyTorchMetadata);
        var path = _snapshot.NewPartial(name);
        var handle = Reserve(path, name, header.Length + inOrder.Sum(t => t.LengthInBytes));
        _files.Add((path, handle));
        RandomAccess.Write(handle, header, 0);
        long at = header.Length;
        foreach (var tensor in inOrder)
        {
            _places.Add(tensor.Name, (handle, at));
            at += tensor.LengthInBytes;
        }
    }
}
