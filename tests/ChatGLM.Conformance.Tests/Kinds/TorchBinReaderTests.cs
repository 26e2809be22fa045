using System.Numerics;
using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Formats;
using ChatGLM.Tensors;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

public sealed class TorchBinReaderTests(ITestOutputHelper output)
{
    /// <summary>What the hostile files try to leave behind.</summary>
    private const string Marker = "oracle-pwned-marker";

    [ConformanceTheory("torch_bin_reader"), CasesOf("torch_bin_reader")]
    public void Loads_what_is_good_and_refuses_the_rest_without_running_it(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var cases = recorded.Json.GetProperty("cases").EnumerateArray().ToArray();
        var byFile = cases.ToDictionary(c => c.GetProperty("file").GetString()!);
        cases.Should().NotBeEmpty();
        foreach (var (name, one) in byFile)
        {
            var path = recorded.PathOf(name);
            var must = one.GetProperty("must").GetString()!;
            var content = one.TryGetProperty("same_as", out var same) ? byFile[same.GetString()!] : one;
            if (must == "load")
            {
                CheckContent(recorded, path, content);
            }
            else if (must == "refuse")
            {
                var open = () => TorchFile.Open(path);
                var error = open.Should().Throw<ChatGLMException>("'{0}': {1}", name, one.GetProperty("why")).Which;
                error.Should().Match(e => e is CheckpointException || e is UnsafePickleException);
                error.Message.Should().Contain(path);
                output.WriteLine(error.Message);
                if (one.GetProperty("why").GetString()!.Contains("git-lfs"))
                    error.Message.Should().Contain("git lfs pull");
            }
            else
            {
                must.Should().StartWith("load or refuse");
                LoadOrRefuse(recorded, path, content);
            }
        }

        File.Exists(Marker).Should().BeFalse("nothing in a file may run");
        output.WriteLine($"{cases.Length} files, compared bit by bit: largest error 0");
    }

    private static void LoadOrRefuse(ConformanceCase recorded, string path, JsonElement content)
    {
        try
        {
            if (content.TryGetProperty("structure", out _))
                CheckContent(recorded, path, content);
            else
                TorchFile.Open(path);
        }
        catch (ChatGLMException)
        {
            // Refusing is allowed here; any other exception, or a wrong value, fails the test.
        }
    }

    private static void CheckContent(ConformanceCase recorded, string path, JsonElement content)
    {
        var tensors = RecordedTensors.Read(recorded.PathOf(content.GetProperty("tensors").GetString()!));
        Check(path, TorchFile.Open(path).Root, content.GetProperty("structure"), tensors);
    }

    private static void Check(string at, object? actual, JsonElement expected, RecordedTensors tensors)
    {
        switch (expected.ValueKind)
        {
            case JsonValueKind.Null: actual.Should().BeNull(at); break;
            case JsonValueKind.True or JsonValueKind.False: actual.Should().Be(expected.GetBoolean(), at); break;
            case JsonValueKind.String: actual.Should().Be(expected.GetString(), at); break;
            case JsonValueKind.Number: CheckNumber(at, actual, expected); break;
            case JsonValueKind.Object: CheckObject(at, actual, expected, tensors); break;
            default: Assert.Fail($"{at}: the recording holds an unknown {expected.ValueKind}."); break;
        }
    }

    private static void CheckNumber(string at, object? actual, JsonElement expected)
    {
        var isFraction = expected.GetRawText().AsSpan().IndexOfAny(".eE") >= 0;
        object wanted = isFraction ? (object)expected.GetDouble()
            : expected.TryGetInt64(out var whole) ? (object)whole : BigInteger.Parse(expected.GetRawText());
        actual.Should().Be(wanted, at);
    }

    private static void CheckObject(string at, object? actual, JsonElement expected, RecordedTensors tensors)
    {
        var form = expected.EnumerateObject().First();
        switch (form.Name)
        {
            case "$tensor":
                CheckTensor(at, actual.Should().BeOfType<TorchTensor>(at).Which, form.Value.GetString()!, expected, tensors);
                break;
            case "$dtype":
                ("torch." + actual.Should().BeOfType<DType>(at).Which.TorchName()).Should().Be(form.Value.GetString(), at);
                break;
            case "$dict":
                var pairs = actual.Should().BeOfType<PickleDict>(at).Which.Items;
                pairs.Should().HaveSameCount(form.Value.EnumerateArray(), at);
                foreach (var ((key, value), pair) in pairs.Zip(form.Value.EnumerateArray()))
                {
                    Check($"{at}/key", key, pair[0], tensors);
                    Check($"{at}/{key}", value, pair[1], tensors);
                }

                break;
            case "$list": CheckSequence(at, actual, PickleSequenceKind.List, form.Value, tensors); break;
            case "$tuple": CheckSequence(at, actual, PickleSequenceKind.Tuple, form.Value, tensors); break;
            case "$set": CheckSequence(at, actual, PickleSequenceKind.Set, form.Value, tensors); break;
            case "$Size": CheckSequence(at, actual, PickleSequenceKind.TorchSize, form.Value, tensors); break;
            default: Assert.Fail($"{at}: the recording holds an unknown '{form.Name}'."); break;
        }
    }

    private static void CheckSequence(string at, object? actual, PickleSequenceKind kind, JsonElement expected, RecordedTensors tensors)
    {
        var sequence = actual.Should().BeOfType<PickleSequence>(at).Which;
        sequence.Kind.Should().Be(kind, at);
        sequence.Items.Should().HaveSameCount(expected.EnumerateArray(), at);
        var i = 0;
        foreach (var item in expected.EnumerateArray())
            Check($"{at}/{i}", sequence.Items[i++], item, tensors);
    }

    private static void CheckTensor(string at, TorchTensor actual, string name, JsonElement expected, RecordedTensors tensors)
    {
        ("torch." + actual.DType.TorchName()).Should().Be(expected.GetProperty("dtype").GetString(), at);
        actual.Shape.Should().Equal(expected.GetProperty("shape").EnumerateArray().Select(n => n.GetInt64()), at);
        tensors.Shape(name).Should().Equal(actual.Shape, at);
        var bytes = actual.Bytes();
        bytes.Span.SequenceEqual(tensors.Bytes(name)).Should().BeTrue("'{0}' has the recorded bytes", at);
        GC.KeepAlive(bytes.Owner);
    }
}
