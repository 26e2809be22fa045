using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace ChatGLM.Training;

/// <summary>
/// Writes an event file of TensorBoard: records with a length, a checksum of the length, the content and a checksum of that (TensorFlow's TFRecord), each holding an <c>Event</c>. Every record
/// goes to the file at once, so that TensorBoard shows a run while it is under way; the file is open only while one is written.
/// </summary>
internal sealed class EventFileWriter
{
    private readonly Func<DateTimeOffset> _now;

    /// <summary>Begins a file.</summary>
    /// <param name="folder">The logging folder; it is created if need be.</param>
    /// <param name="now">The time, which events carry.</param>
    public EventFileWriter(string folder, Func<DateTimeOffset>? now = null)
    {
        _now = now ?? (() => DateTimeOffset.UtcNow);
        Directory.CreateDirectory(folder);
        // TensorBoard looks for "tfevents" in the name, and orders files by it. The last part keeps two runs of one second apart.
        var name = string.Create(
            CultureInfo.InvariantCulture, $"events.out.tfevents.{_now().ToUnixTimeSeconds()}.{Environment.MachineName}.{Environment.ProcessId}.{Guid.NewGuid().ToString("N")[..8]}");
        Path = System.IO.Path.Combine(folder, name);
        Write(step: 0, content => content.Text(EventFields.FileVersion, "brain.Event:2"));
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Writes numbers of one step.</summary>
    public void Scalars(long step, IEnumerable<(string Tag, double Value)> scalars)
    {
        foreach (var (tag, value) in scalars)
        {
            Write(step, content => content.Message(EventFields.Summary, summary => summary.Message(EventFields.SummaryValue, item =>
            {
                item.Text(EventFields.Tag, tag);
                item.Single(EventFields.SimpleValue, (float)value);
            })));
        }
    }

    /// <summary>Writes a text, for the text page of TensorBoard.</summary>
    public void Text(string tag, string text, long step = 0) => Write(step, content => content.Message(EventFields.Summary, summary => summary.Message(EventFields.SummaryValue, item =>
    {
        item.Text(EventFields.Tag, tag + "/text_summary");
        item.Message(EventFields.Tensor, tensor =>
        {
            tensor.Integer(EventFields.TensorType, EventFields.StringType);
            tensor.Message(EventFields.TensorShape, shape => shape.Message(EventFields.Dimension, dimension => dimension.Integer(EventFields.DimensionSize, 1)));
            tensor.Text(EventFields.StringValue, text);
        });
        item.Message(EventFields.Metadata, metadata => metadata.Message(EventFields.Plugin, plugin => plugin.Text(EventFields.PluginName, "text")));
    })));

    private void Write(long step, Action<ProtobufWriter> content)
    {
        var message = new ProtobufWriter();
        message.Double(EventFields.WallTime, _now().ToUnixTimeMilliseconds() / 1000.0);
        message.Integer(EventFields.Step, step);
        content(message);
        var data = message.Written;
        var record = new byte[sizeof(ulong) + sizeof(uint) + data.Length + sizeof(uint)];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(sizeof(ulong)), MaskedCrc(record.AsSpan(0, sizeof(ulong))));
        data.CopyTo(record.AsSpan(sizeof(ulong) + sizeof(uint)));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(record.Length - sizeof(uint)), MaskedCrc(data));
        using var file = new FileStream(Path, FileMode.Append, FileAccess.Write, FileShare.Read);
        file.Write(record);
    }

    /// <summary>TensorFlow turns and shifts checksums, lest one of data that holds checksums be a weak one.</summary>
    private static uint MaskedCrc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes)
            crc = BitOperations.Crc32C(crc, b);
        return BitOperations.RotateRight(~crc, 15) + 0xA282EAD8;
    }
}
