using ChatGLM.Formats;

namespace ChatGLM.Fuzz.Targets;

/// <summary>Reads what a reader handed out, so that a range beyond the file is found.</summary>
internal static class Touch
{
    /// <summary>More than this is not copied for every input; a few bytes may lawfully unfold to megabytes.</summary>
    private const long MaxBytes = 1 << 16;

    private const int MaxTensors = 8;

    public static void Ends(TensorBytes bytes)
    {
        if (bytes.Length == 0)
            return;
        _ = bytes.Slice(0, 1)[0] + bytes.Slice(bytes.Length - 1, 1)[0];
        GC.KeepAlive(bytes.Owner);
    }

    /// <summary>Walks everything that was saved, and reads the first few tensors.</summary>
    public static void All(object? root)
    {
        var left = MaxTensors;
        Walk(root, ref left, withBytes: true);
    }

    /// <summary>Walks everything; a file that unfolds to many values is walked in part.</summary>
    public static void Walk(object? value, ref int left, bool withBytes)
    {
        switch (value)
        {
            case TorchTensor tensor when withBytes && left > 0 && tensor.LengthInBytes <= MaxBytes:
                left--;
                Ends(tensor.Bytes());
                break;
            case PickleSequence { Size: <= MaxBytes } sequence:
                foreach (var item in sequence.Items)
                    Walk(item, ref left, withBytes);
                break;
            case PickleDict { Size: <= MaxBytes } dict:
                foreach (var (key, item) in dict.Items)
                {
                    Walk(key, ref left, withBytes);
                    Walk(item, ref left, withBytes);
                }

                break;
        }
    }
}
