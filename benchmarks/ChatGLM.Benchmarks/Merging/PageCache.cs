using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ChatGLM.Benchmarks.Merging;

/// <summary>Asks the system to forget the pages of files, so that they are read from the disk again.</summary>
internal static partial class PageCache
{
    private const int DontNeed = 4;

    public static bool CanForget => OperatingSystem.IsLinux();

    public static void Forget(string folder)
    {
        foreach (var path in Directory.EnumerateFiles(folder))
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            RandomAccess.FlushToDisk(file); // pages that are not written yet stay
            if (posix_fadvise(file, 0, 0, DontNeed) is var error and not 0)
                throw new IOException($"posix_fadvise({path}) failed with {error}.");
        }
    }

    [LibraryImport("libc")]
    private static partial int posix_fadvise(SafeFileHandle file, long offset, long length, int advice);
}
