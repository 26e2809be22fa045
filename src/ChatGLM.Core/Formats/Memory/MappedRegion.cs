using System.IO.MemoryMappedFiles;

namespace ChatGLM.Formats;

/// <summary>A whole file mapped read-only. It is unmapped when nothing refers to it any more.</summary>
internal sealed unsafe class MappedRegion : ByteRegion
{
    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;

    private MappedRegion(string path, MemoryMappedFile? file, MemoryMappedViewAccessor? view, long length)
        : base(path)
    {
        _file = file;
        _view = view;
        Length = length;
        if (view is null)
            return;
        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        Pointer = pointer + view.PointerOffset;
    }

    // The acquired pointer keeps the view's own handle from ever being released, so it must be given back here.
    ~MappedRegion()
    {
        if (Pointer != null)
            _view!.SafeMemoryMappedViewHandle.ReleasePointer();
    }

    public static MappedRegion Open(string path)
    {
        if (Directory.Exists(path))
            throw new CheckpointException(path, "this is a folder; a weight file was expected.");
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 1);
            var length = stream.Length;
            if (length == 0)
                return new MappedRegion(path, null, null, 0); // the system maps no empty file

            MemoryMappedFile? file = null;
            MemoryMappedViewAccessor? view = null;
            try
            {
                file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
                view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
                return new MappedRegion(path, file, view, length);
            }
            catch
            {
                view?.Dispose();
                file?.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(path, "there is no such file. Check the path, or download the snapshot again.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CheckpointException(path, $"the file cannot be opened: {e.Message}", e);
        }
    }
}
