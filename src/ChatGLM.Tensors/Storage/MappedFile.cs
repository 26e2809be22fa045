using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

/// <summary>
/// A file mapped into memory for reading. Tensors made from it look at its pages in place; it stays mapped until the
/// last of them is gone, whatever happens to the object that opened it.
/// </summary>
public sealed unsafe partial class MappedFile : HostStorage
{
    // MADV_DONTNEED, the same number on Linux and macOS.
    private const int DontNeed = 4;

    // Linux's MADV_PAGEOUT.
    private const int PageOut = 21;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;

    private MappedFile(string path, MemoryMappedFile file, MemoryMappedViewAccessor view, nint pointer, long byteLength)
        : base(pointer, byteLength)
    {
        Path = path;
        _file = file;
        _view = view;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Maps a whole file. The caller holds one reference and gives it back with <see cref="TensorStorage.Release"/>.</summary>
    /// <param name="path">An existing file; an empty one gives a mapping of no bytes.</param>
    /// <exception cref="IOException">The file cannot be opened or mapped.</exception>
    public static MappedFile Open(string path)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 1);
        try
        {
            var byteLength = stream.Length;
            if (byteLength == 0)
            {
                stream.Dispose();
                var nothing = MemoryMappedFile.CreateNew(null, 1);
                return new MappedFile(path, nothing, nothing.CreateViewAccessor(), 0, 0);
            }

            var file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            var view = file.CreateViewAccessor(0, byteLength, MemoryMappedFileAccess.Read);
            byte* pointer = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
            return new MappedFile(path, file, view, (nint)(pointer + view.PointerOffset), byteLength);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>A part of the file, to be read while a reference is held.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">The number of bytes.</param>
    public ReadOnlySpan<byte> Bytes(long offset, int length)
    {
        if (offset < 0 || length < 0 || offset > ByteLength - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes from here are not inside the {ByteLength} bytes of '{Path}'.");
        return new ReadOnlySpan<byte>((byte*)Pointer + offset, length);
    }

    /// <summary>
    /// Tells the system that a part of the file will not be looked at soon: its pages are no longer counted as memory of this process, which they are from the first look on. Whoever looks
    /// again finds the same bytes, from the page cache or the disk. Elsewhere than on Linux and macOS nothing is told.
    /// </summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">The number of bytes; pages that lie in the part only partly are kept.</param>
    /// <param name="fromCache">On Linux, whether the pages leave the page cache as well, unless somebody else uses them: where memory is short, the next pages can then be had at once, and are not to be
    /// taken from something that is still needed.</param>
    public void ReleasePages(long offset, long length, bool fromCache = false)
    {
        if (offset < 0 || length < 0 || offset > ByteLength - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes from here are not inside the {ByteLength} bytes of '{Path}'.");
        long page = Environment.SystemPageSize;
        var first = (Pointer + offset + page - 1) / page * page;
        var last = (Pointer + offset + length) / page * page;
        // A hint: a system that does not take it keeps the pages as long as it likes.
        if (last <= first || !(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS()))
            return;
        if (fromCache && OperatingSystem.IsLinux())
            _ = Advise((nint)first, (nuint)(last - first), PageOut);
        _ = Advise((nint)first, (nuint)(last - first), DontNeed);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);

    /// <inheritdoc/>
    protected override void Free(bool finalizing)
    {
        if (Pointer != 0)
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
        if (finalizing)
            return; // the view's and the file's own handles have finalizers
        _view.Dispose();
        _file.Dispose();
    }
}
