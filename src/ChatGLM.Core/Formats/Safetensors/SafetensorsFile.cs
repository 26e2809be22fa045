namespace ChatGLM.Formats;

/// <summary>A safetensors file: the header checked, the tensors used in place.</summary>
internal sealed class SafetensorsFile
{
    private readonly ByteRegion _file;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(ByteRegion file)
    {
        _file = file;
        _header = SafetensorsHeader.Parse(file);
    }

    public string Path => _file.Name;

    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _header.Entries;

    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    public static SafetensorsFile Open(string path) => new(ByteRegion.Map(path));

    public static SafetensorsFile Open(ByteRegion file) => new(file);

    public TensorBytes Bytes(string name) => Bytes(_header.Entries[name]);

    public TensorBytes Bytes(SafetensorsEntry entry) => new(_file, _header.DataOffset + entry.Begin, entry.LengthInBytes);
}
