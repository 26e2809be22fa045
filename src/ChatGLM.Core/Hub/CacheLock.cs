namespace ChatGLM.Hub;

/// <summary>
/// A lock between processes on one file of the cache: the operating system's own on an open file, which a process that dies gives back. It is the
/// one that huggingface_hub takes (flock, or the share mode on Windows), so that both may download at once.
/// </summary>
internal static class CacheLock
{
    private const int LinuxWouldBlock = 11;
    private const int BsdWouldBlock = 35;
    private const int WindowsSharingViolation = unchecked((int)0x80070020);
    private const int WindowsLockViolation = unchecked((int)0x80070021);

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);

    public static async Task<IDisposable> AcquireAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            }
            catch (IOException e) when (e.HResult is LinuxWouldBlock or BsdWouldBlock or WindowsSharingViolation or WindowsLockViolation)
            {
                await Task.Delay(PollInterval, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
