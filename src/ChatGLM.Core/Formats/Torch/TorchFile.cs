using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using ChatGLM.Tensors;

namespace ChatGLM.Formats;

/// <summary>
/// A file of <c>torch.save</c>, in the zip form (PyTorch 1.6 and later) or the form before it. Tensors are used in place where
/// they lie in order and unpacked.
/// </summary>
internal sealed class TorchFile
{
    /// <summary>What the old form begins with, as a pickled number.</summary>
    private static readonly BigInteger LegacyMagic = BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private const long LegacyProtocol = 1001;

    private TorchFile(string path, object? root)
    {
        Path = path;
        Root = root;
    }

    public string Path { get; }

    /// <summary>What was saved; <see cref="PickleReader"/> lists the types.</summary>
    public object? Root { get; }

    public static TorchFile Open(string path) => Open(ByteRegion.Map(path));

    public static TorchFile Open(ByteRegion file)
    {
        var root = ZipFile.HasSignature(file) ? ReadZip(file)
            : file.Length > 1 && file.Span(0, 1)[0] == (byte)PickleOp.Proto ? ReadLegacy(file)
            : throw new CheckpointException(file.Name, "a file of torch.save was expected, but " + FileSignature.Describe(file));
        return new TorchFile(file.Name, root);
    }

    private static object? ReadZip(ByteRegion file)
    {
        var zip = ZipFile.Open(file);
        var pickle = FindPickle(file, zip);
        var prefix = pickle.Name[..^"data.pkl".Length];
        if (zip.Entries.ContainsKey(prefix + "constants.pkl"))
            throw new CheckpointException(file.Name, "this is a TorchScript archive (code, not only weights). Save the model's state_dict() instead.");
        if (zip.Entries.TryGetValue(prefix + "byteorder", out var order) && order.UnpackedBytes <= 16 && !zip.Read(order).Span.SequenceEqual("little"u8))
            throw new CheckpointException(file.Name, "the file was written on a big-endian machine, which is not read. Load it in Python "
                + "and save it as safetensors.");
        if (pickle.UnpackedBytes > PickleReader.MaxBytes)
            throw new CheckpointException(file.Name, $"'{pickle.Name}' has {pickle.UnpackedBytes} bytes; no state dict needs more than "
                + $"{PickleReader.MaxBytes}.");

        var bytes = zip.Read(pickle);
        if (!pickle.IsDeflated)
            zip.CheckCrc(pickle, bytes);
        var storages = new TorchStorages();
        var root = PickleReader.Read(bytes.Span, file.Name, storages, out _);
        GC.KeepAlive(bytes.Owner);

        foreach (var storage in storages.ByKey.Values)
        {
            if (!zip.Entries.TryGetValue($"{prefix}data/{storage.Key}", out var entry))
                throw new CheckpointException(file.Name, $"the archive has no entry '{prefix}data/{storage.Key}' for a storage of "
                    + $"{storage.LengthInBytes} bytes.");
            if (entry.UnpackedBytes != storage.LengthInBytes)
            {
                throw new CheckpointException(file.Name, $"the storage '{storage.Key}' should have {storage.Count} elements of {storage.DType} in "
                    + $"{storage.LengthInBytes} bytes, but the entry '{entry.Name}' has {entry.UnpackedBytes}.");
            }

            storage.Attach(() => zip.Read(entry));
        }

        return root;
    }

    private static ZipEntry FindPickle(ByteRegion file, ZipFile zip)
    {
        ZipEntry? found = null;
        foreach (var entry in zip.Entries.Values)
        {
            // The archive's one folder has any name; a pickle deeper down is not the file's own.
            if (!entry.Name.EndsWith("/data.pkl", StringComparison.Ordinal) || entry.Name.IndexOf('/') != entry.Name.Length - "/data.pkl".Length)
                continue;
            if (found is not null)
                throw new CheckpointException(file.Name, $"the archive has two pickles, '{found.Name}' and '{entry.Name}'.");
            found = entry;
        }

        return found ?? throw new CheckpointException(file.Name, "this is a zip archive, but not one of torch.save: it has no '<name>/data.pkl'.");
    }

    private static object? ReadLegacy(ByteRegion file)
    {
        long at = 0;
        var storages = new TorchStorages();
        object? Next()
        {
            var value = PickleReader.Read(file.Span(at, Math.Min(PickleReader.MaxBytes, file.Length - at)), file.Name, storages, out var length);
            at += length;
            return value;
        }

        if (Next() is not BigInteger magic || magic != LegacyMagic)
        {
            throw new CheckpointException(file.Name, "this is a bare Python pickle, not a file of torch.save; no weights are read from it. "
                + "If you trust it, load it in Python and save its state dict as safetensors.");
        }

        if (Next() is not LegacyProtocol)
            throw new CheckpointException(file.Name, $"the file's protocol must be {LegacyProtocol}, as every PyTorch wrote it.");
        if (Next() is not PickleDict system || !system.TryGet("little_endian", out var littleEndian) || littleEndian is not true)
            throw new CheckpointException(file.Name, "the file must say that it is little-endian. Load it in Python and save it as safetensors.");

        var root = Next();
        if (Next() is not PickleSequence { Kind: PickleSequenceKind.List } keys)
            throw new CheckpointException(file.Name, "a list of storage keys was expected after the pickle.");
        foreach (var item in keys.Items)
        {
            if (item is not string key || !storages.ByKey.TryGetValue(key, out var storage))
                throw new CheckpointException(file.Name, $"the list of storages names '{item}', which the pickle does not mention.");
            if (storage.HasBytes)
                throw new CheckpointException(file.Name, $"the storage '{key}' is listed twice.");
            if (file.Length - at < sizeof(long))
                throw CutOff(file, storage, at);
            var count = BinaryPrimitives.ReadInt64LittleEndian(file.Span(at, sizeof(long)));
            if (count != storage.Count)
                throw new CheckpointException(file.Name, $"the storage '{key}' should have {storage.Count} elements, but {count} are announced at byte {at}.");
            at += sizeof(long);
            if (storage.LengthInBytes > file.Length - at)
                throw CutOff(file, storage, at);
            var bytes = new TensorBytes(file, at, storage.LengthInBytes);
            storage.Attach(() => bytes);
            at += storage.LengthInBytes;
        }

        if (storages.ByKey.Values.FirstOrDefault(s => !s.HasBytes) is { } missing)
            throw new CheckpointException(file.Name, $"the storage '{missing.Key}' that the pickle mentions is not in the file.");
        GC.KeepAlive(file);
        return root;
    }

    private static CheckpointException CutOff(ByteRegion file, TorchStorage storage, long at) =>
        new(file.Name, $"the storage '{storage.Key}' needs {storage.LengthInBytes} bytes at byte {at}, but the file has only {file.Length}: "
            + $"it was cut off. Download it again.");
}
