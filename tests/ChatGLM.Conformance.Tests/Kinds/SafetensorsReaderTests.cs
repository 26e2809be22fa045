using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Formats;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

public sealed class SafetensorsReaderTests(ITestOutputHelper output)
{
    [ConformanceTheory("safetensors_reader"), CasesOf("safetensors_reader")]
    public void Loads_and_refuses_as_the_official_reader_does(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var cases = recorded.Json.GetProperty("cases").EnumerateArray().ToArray();
        cases.Should().NotBeEmpty();
        foreach (var one in cases)
        {
            var path = recorded.PathOf(one.GetProperty("file").GetString()!);
            var must = one.GetProperty("must").GetString()!;
            if (must == "load")
            {
                CheckContent(path, one);
                continue;
            }

            var open = () => Checkpoint.Open(path).Dispose();
            if (must == "refuse")
            {
                var error = open.Should().Throw<CheckpointException>("'{0}': {1}", path, one.GetProperty("why")).Which;
                error.Message.Should().Contain(path);
                output.WriteLine(error.Message);
            }
            else
            {
                must.Should().StartWith("refuse or load");
                LoadOrRefuse(open);
            }
        }

        output.WriteLine($"{cases.Length} files, compared bit by bit: largest error 0");
    }

    private static void CheckContent(string path, JsonElement one)
    {
        using var checkpoint = Checkpoint.Open(path);
        var expected = one.TryGetProperty("tensors", out var tensors) ? tensors : one.GetProperty("values");
        checkpoint.Entries.Keys.Should().BeEquivalentTo(expected.EnumerateObject().Select(t => t.Name), "of '{0}'", path);
        foreach (var tensor in expected.EnumerateObject())
        {
            var entry = checkpoint.Entries[tensor.Name];
            using var read = checkpoint.Read(tensor.Name);
            var bytes = new byte[read.ByteLength];
            read.Read(0, bytes);
            if (tensor.Value.ValueKind == JsonValueKind.Array)
            {
                var values = tensor.Value.EnumerateArray().Select(v => v.GetSingle()).ToArray();
                read.ToArray<float>().Should().Equal(values, "of '{0}' in '{1}'", tensor.Name, path);
                continue;
            }

            ("torch." + entry.DType.TorchName()).Should().Be(tensor.Value.GetProperty("dtype").GetString());
            entry.Shape.Should().Equal(tensor.Value.GetProperty("shape").EnumerateArray().Select(n => n.GetInt64()));
            Convert.ToHexStringLower(bytes).Should().Be(tensor.Value.GetProperty("bytes_hex").GetString(), "of '{0}' in '{1}'", tensor.Name, path);
        }

        if (one.TryGetProperty("metadata", out var metadata))
            checkpoint.Metadata.Should().Equal(metadata.EnumerateObject().ToDictionary(m => m.Name, m => m.Value.GetString()!));
    }

    private static void LoadOrRefuse(Action open)
    {
        try
        {
            open();
        }
        catch (ChatGLMException)
        {
            // Refusing is allowed here; any other exception fails the test.
        }
    }
}
