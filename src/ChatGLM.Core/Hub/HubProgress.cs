namespace ChatGLM.Hub;

/// <summary>How far a download is.</summary>
/// <param name="FileName">The file that moved last.</param>
/// <param name="DownloadedBytes">The bytes that are in place, with those that were there before.</param>
/// <param name="TotalBytes">The bytes of all files that are wanted.</param>
/// <param name="CompletedFiles">How many files are whole and checked.</param>
/// <param name="TotalFiles">How many files are wanted.</param>
/// <param name="BytesPerSecond">The rate of the last seconds; 0 until it can be told.</param>
/// <param name="Remaining">The time left at that rate; null until it can be told.</param>
public readonly record struct HubProgress(
    string FileName, long DownloadedBytes, long TotalBytes, int CompletedFiles, int TotalFiles, double BytesPerSecond, TimeSpan? Remaining);
