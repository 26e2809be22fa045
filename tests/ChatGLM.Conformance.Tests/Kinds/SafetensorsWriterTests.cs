using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Formats;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

public sealed class SafetensorsWriterTests(ITestOutputHelper output)
{
    [ConformanceTheory("model"), CasesOf("model")]
    public void A_snapshot_of_any_form_is_the_same_bits_after_it_is_written_in_shards(string caseName)
    {
        var folder = Directory.CreateTempSubdirectory("chatglm-conformance-").FullName;
        try
        {
            using var original = Checkpoint.Open(ConformanceFolder.Get(caseName).Folder);
            original.Entries.Should().NotBeEmpty();
            var largest = original.Entries.Values.Max(e => e.LengthInBytes);
            Safetensors.SaveSharded(original.Entries.Keys.Select(name => KeyValuePair.Create(name, original.Read(name))), folder, $"{largest}");

            using var copy = Checkpoint.Open(folder);
            copy.Format.Should().Be(CheckpointFormat.Safetensors);
            copy.Kind.Should().Be(original.Kind);
            copy.Entries.Keys.Should().BeEquivalentTo(original.Entries.Keys);
            foreach (var (name, entry) in original.Entries)
            {
                copy.Entries[name].DType.Should().Be(entry.DType, name);
                copy.Entries[name].Shape.Should().Equal(entry.Shape, name);
                copy.Bytes(name).Span.SequenceEqual(original.Bytes(name).Span).Should().BeTrue("'{0}' is the same bits", name);
            }

            output.WriteLine($"{original.Path}: {copy.Entries.Count} tensors in {copy.Files.Count} shards: largest error 0");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
