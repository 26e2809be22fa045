using System.Text;

namespace ChatGLM.Formats;

/// <summary>Says in words what a file that is no checkpoint of the expected kind seems to be, and what to do about it.</summary>
internal static class FileSignature
{
    /// <summary>How many leading bytes <see cref="Describe(ReadOnlySpan{byte})"/> looks at.</summary>
    private const int HeadBytes = 512;

    public static string Describe(ByteRegion file)
    {
        var text = Describe(file.Span(0, Math.Min(HeadBytes, file.Length)));
        GC.KeepAlive(file);
        return text;
    }

    public static string Describe(ReadOnlySpan<byte> head)
    {
        if (head.IsEmpty)
            return "the file is empty: the download did not happen. Download it again.";
        if (IsLfsPointer(head))
            return "this is a git-lfs pointer, not the weights themselves. Run 'git lfs pull' in the snapshot's folder, or download the file again.";
        if (head.StartsWith("GGUF"u8))
            return "this is a GGUF file of llama.cpp, another format than was expected here. Load it by its own path with AutoModel.";
        if (head.StartsWith("ggml"u8) || head.StartsWith("lmgg"u8))
            return "this is a GGML file of chatglm.cpp, a different format. Use the original snapshot (safetensors or .bin).";
        if (head.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'H', (byte)'D', (byte)'F']))
            return "this is an HDF5 file (TensorFlow weights). Use the snapshot's safetensors or .bin files.";
        if (head.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]))
            return "this is a gzip archive. Unpack it first.";
        if (head.Length >= 262 && head.Slice(257, 5).SequenceEqual("ustar"u8))
            return "this is a tar archive: either a download to unpack first, or the format of PyTorch before 0.1.10, which is not read. "
                + "Load it in Python and save it again.";
        if (head.StartsWith("PK"u8))
            return "this is a zip archive, as PyTorch writes it (.bin, .pt).";
        if (head[0] == 0x80 && head.Length > 1 && head[1] <= 5)
            return "this is a Python pickle.";
        if (LooksLikeSafetensors(head))
            return "this is a safetensors file.";
        if (head.Length > 2 && head[0] == 0x08 && head[1] is > 0 and < 16 && head[2] == 0x12)
            return "this looks like an ONNX model, a different format. Use the original snapshot (safetensors or .bin).";

        var text = head[(head.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? 3 : 0)..].TrimStart(" \t\r\n"u8);
        if (StartsWithIgnoringCase(text, "<!doctype") || StartsWithIgnoringCase(text, "<html") || StartsWithIgnoringCase(text, "<?xml"))
            return "this is a web page, not weights: the download answered with an error or a login page. Download it again.";
        if (text.StartsWith("{"u8) || text.StartsWith("["u8))
            return "this is a JSON text, not weights. Point to the weight file or to the snapshot's folder.";
        return IsText(text)
            ? $"this is a text file, not weights; it begins '{Excerpt(text)}'."
            : $"this is no known weight format; the file begins with the bytes {Convert.ToHexString(head[..Math.Min(8, head.Length)])}.";
    }

    public static bool IsLfsPointer(ReadOnlySpan<byte> head) => head.StartsWith("version https://git-lfs.github.com/spec/"u8);

    private static bool LooksLikeSafetensors(ReadOnlySpan<byte> head) =>
        head.Length > 8 && head[8] == (byte)'{' && head[4..8].IndexOfAnyExcept((byte)0) < 0;

    private static bool StartsWithIgnoringCase(ReadOnlySpan<byte> bytes, string ascii) =>
        bytes.Length >= ascii.Length && Ascii.EqualsIgnoreCase(bytes[..ascii.Length], ascii);

    private static bool IsText(ReadOnlySpan<byte> bytes)
    {
        foreach (var b in bytes)
        {
            if (b < 0x20 && b is not ((byte)'\t' or (byte)'\r' or (byte)'\n'))
                return false;
        }

        return true;
    }

    private static string Excerpt(ReadOnlySpan<byte> bytes)
    {
        var line = bytes.IndexOfAny((byte)'\r', (byte)'\n');
        var end = Math.Min(40, line < 0 ? bytes.Length : line);
        return Encoding.UTF8.GetString(bytes[..end]);
    }
}
