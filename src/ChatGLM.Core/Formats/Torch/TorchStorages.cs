using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>The storages that a pickle mentions, each once: the same key again is the same storage, which is how tied weights are written.</summary>
internal sealed class TorchStorages
{
    private readonly Dictionary<string, TorchStorage> _byKey = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, TorchStorage> ByKey => _byKey;

    /// <summary>Reads a persistent id: ('storage', class, key, location, number of elements), in old files with a view after it.</summary>
    /// <exception cref="FormatException">It is no such id; the message says why.</exception>
    public TorchStorage Mention(object? id)
    {
        if (id is not PickleSequence { Kind: PickleSequenceKind.Tuple, Items: ["storage", PickleGlobal { StorageType: { } dtype }, string key, string, long count, ..] parts }
            || parts.Count > 6)
        {
            throw new FormatException("a storage is not described by a class, a key, a place and a number of elements");
        }

        if (parts.Count == 6 && parts[5] is not null)
            throw new FormatException($"the storage '{key}' is a view of another storage, as PyTorch before 0.4 wrote them. Load the file "
                + $"in Python and save it again");
        if (key.Length is 0 or > 128 || key.AsSpan().ContainsAnyExcept(KeyCharacters) || key is "." or "..")
            throw new FormatException($"the storage key '{(key.Length > 128 ? key[..128] : key)}' is not a plain name");
        if (count < 0 || count > long.MaxValue / dtype.SizeInBytes())
            throw new FormatException($"the storage '{key}' is said to have {count} elements");

        if (!_byKey.TryGetValue(key, out var storage))
            _byKey.Add(key, storage = new TorchStorage(key, dtype, count));
        else if (storage.DType != dtype || storage.Count != count)
            throw new FormatException($"the storage '{key}' is described in two ways: {storage.Count} of {storage.DType} and {count} of {dtype}");
        return storage;
    }

    private static readonly System.Buffers.SearchValues<char> KeyCharacters =
        System.Buffers.SearchValues.Create("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.");
}
