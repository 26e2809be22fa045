using System.Buffers.Binary;
using System.Text;
using ChatGLM.Models;
using ChatGLM.Training.Worker;

namespace ChatGLM.Training.Tests;

/// <summary>Event files, read by a reader that was written after TensorFlow's description of the format and shares nothing with the writer.</summary>
public sealed class TensorBoardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_run_writes_the_tags_of_transformers()
    {
        var trainer = Train(new() { OutputDir = _folder["out"], LoggingDir = _folder["logs"] });
        var events = Read(Directory.EnumerateFiles(_folder["logs"], "events.out.tfevents.*").Single()).ToArray();
        events[0].FileVersion.Should().Be("brain.Event:2");
        events.Should().OnlyContain(e => e.WallTime > 1.7e9);
        var scalars = events.Where(e => e.Value is not null).ToArray();
        var losses = trainer.State.LogHistory.Where(entry => entry.ContainsKey("loss")).ToArray();
        scalars.Where(e => e.Tag == "train/loss").Select(e => (e.Step, e.Value)).Should().Equal(losses.Select(entry => ((long)entry["step"], (float?)entry["loss"])));
        scalars.Where(e => e.Tag == "train/learning_rate").Select(e => e.Value).Should().Equal(losses.Select(entry => (float?)entry["learning_rate"]));
        scalars.Select(e => e.Tag).Distinct().Should().Contain(["train/epoch", "eval/loss", "eval/runtime", "eval/samples_per_second", "train/train_loss", "train/total_flos"]);
        scalars.Should().NotContain(e => e.Tag!.EndsWith("/step", StringComparison.Ordinal), "the step is the place of an entry, not an entry");
        events.Should().ContainSingle(e => e.Tag == "args/text_summary").Which.Text.Should().Contain("per_device_train_batch_size");
    }

    [Fact]
    public void Entries_can_be_read_while_the_run_is_under_way()
    {
        var seen = new List<int>();
        Train(new() { OutputDir = _folder["out"], LoggingDir = _folder["logs"] }, new Watch(() => seen.Add(Read(Directory.EnumerateFiles(_folder["logs"]).Single()).Count(e => e.Tag == "train/loss"))));
        seen.Should().Equal(0, 0, 1, 1, 2, 2);
    }

    [Theory]
    [InlineData("all", true)]
    [InlineData("tensorboard", true)]
    [InlineData("none", false)]
    public void The_arguments_decide(string reportTo, bool isWritten)
    {
        Train(new() { OutputDir = _folder["out"], ReportTo = reportTo });
        (Directory.Exists(_folder["out/runs"]) && Directory.EnumerateFiles(_folder["out/runs"], "events.out.tfevents.*", SearchOption.AllDirectories).Any()).Should().Be(isWritten);
    }

    /// <summary>Known checksums: RFC 3720 gives that of 32 zeros and of 32 bytes of 255.</summary>
    [Fact]
    public void The_checksum_of_the_test_is_that_of_the_standard()
    {
        Crc32C(new byte[32]).Should().Be(0x8A9136AA);
        Crc32C([.. Enumerable.Repeat((byte)255, 32)]).Should().Be(0x62A8AB43);
    }

    private static Trainer Train(TrainingArguments arguments, params TrainerCallback[] callbacks)
    {
        using var model = AutoModel.FromConfig(TinyRun.Config, new ModelOptions { Seed = 7 });
        arguments = arguments with
        {
            PerDeviceTrainBatchSize = 2, MaxSteps = 6, LoggingSteps = 2, EvaluationStrategy = IntervalStrategy.Steps, EvalSteps = 3, SaveStrategy = IntervalStrategy.No,
        };
        var trainer = new Trainer(model, arguments, TinyRun.Rows(8), TinyRun.Rows(2), new() { Callbacks = callbacks });
        trainer.Train();
        return trainer;
    }

    private static IEnumerable<Event> Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        for (var at = 0; at < bytes.Length;)
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 8)).Should().Be(Mask(Crc32C(bytes[at..(at + 8)])));
            var data = bytes[(at + 12)..(at + 12 + length)];
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 12 + length)).Should().Be(Mask(Crc32C(data)));
            yield return EventOf(data);
            at += length + 16;
        }
    }

    private static Event EventOf(byte[] data)
    {
        var fields = Fields(data);
        var time = BitConverter.ToDouble((byte[])fields.Single(f => f.Number == 1).Value);
        var step = (long)(ulong)fields.Single(f => f.Number == 2).Value;
        var version = fields.Where(f => f.Number == 3).Select(f => Encoding.UTF8.GetString((byte[])f.Value)).SingleOrDefault();
        if (version is not null)
            return new Event(time, step, version, null, null, null);
        var value = Fields((byte[])Fields((byte[])fields.Single(f => f.Number == 5).Value).Single(f => f.Number == 1).Value);
        var tag = Encoding.UTF8.GetString((byte[])value.Single(f => f.Number == 1).Value);
        if (value.Any(f => f.Number == 2))
            return new Event(time, step, null, tag, BitConverter.ToSingle((byte[])value.Single(f => f.Number == 2).Value), null);
        var tensor = Fields((byte[])value.Single(f => f.Number == 8).Value);
        tensor.Single(f => f.Number == 1).Value.Should().Be(7UL, "DT_STRING");
        var plugin = Fields((byte[])Fields((byte[])value.Single(f => f.Number == 9).Value).Single(f => f.Number == 1).Value);
        Encoding.UTF8.GetString((byte[])plugin.Single(f => f.Number == 1).Value).Should().Be("text");
        return new Event(time, step, null, tag, null, Encoding.UTF8.GetString((byte[])tensor.Single(f => f.Number == 8).Value));
    }

    private static List<(int Number, object Value)> Fields(byte[] data)
    {
        var fields = new List<(int, object)>();
        for (var at = 0; at < data.Length;)
        {
            var key = Number();
            object value = (key & 7) switch
            {
                0 => Number(),
                1 => Take(8),
                2 => Take((int)Number()),
                5 => Take(4),
                _ => throw new InvalidDataException($"wire type {key & 7}"),
            };
            fields.Add(((int)(key >> 3), value));

            ulong Number()
            {
                ulong number = 0;
                for (var shift = 0; ; shift += 7)
                {
                    var b = data[at++];
                    number |= (ulong)(b & 0x7F) << shift;
                    if (b < 0x80)
                        return number;
                }
            }

            byte[] Take(int count)
            {
                at += count;
                return data[(at - count)..at];
            }
        }

        return fields;
    }

    /// <summary>Castagnoli's polynomial, bit by bit.</summary>
    private static uint Crc32C(byte[] bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }

        return ~crc;
    }

    private static uint Mask(uint crc) => unchecked(((crc >> 15) | (crc << 17)) + 0xA282EAD8);

    private sealed record Event(double WallTime, long Step, string? FileVersion, string? Tag, float? Value, string? Text);

    private sealed class Watch(Action look) : TrainerCallback
    {
        public override void OnStepEnd(TrainerContext context) => look();
    }
}
