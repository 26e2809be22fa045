namespace ChatGLM.Formats;

/// <summary>One file of a zip archive: where its bytes lie in the archive and how they are packed.</summary>
internal sealed record ZipEntry(string Name, long DataOffset, long PackedBytes, long UnpackedBytes, bool IsDeflated, uint Crc32);
