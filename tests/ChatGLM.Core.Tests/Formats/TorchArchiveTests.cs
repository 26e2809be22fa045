using System.Numerics;
using ChatGLM.Formats;
using ChatGLM.Tensors;
using PickleWriter = ChatGLM.Fuzz.Files.PickleWriter;
using TorchFiles = ChatGLM.Fuzz.Files.TorchFiles;

namespace ChatGLM.Core.Tests.Formats;

public sealed class TorchArchiveTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_saved_comes_back()
    {
        using var scope = new TensorScope();
        var shared = Tensor.From([1f, 2, 3, 4, 5, 6], [2, 3]);
        var value = new Dictionary<object, object?>
        {
            ["tensor"] = shared,
            ["again"] = shared,
            ["half"] = Tensor.From([(Half)1.5f], Shape.Scalar),
            ["bytes"] = Tensor.From(new byte[] { 1, 2, 255 }, [3]),
            ["empty"] = Tensor.From((float[])[], [0, 4]),
            [7L] = new List<object?> { null, true, false, 0, -1, 255, 256, 65535, 65536, int.MinValue, uint.MaxValue, long.MinValue, long.MaxValue },
            ["numbers"] = new object?[] { 0.0, -1.5, double.PositiveInfinity, 1e-300, 2.5f },
            ["big"] = BigInteger.Pow(2, 80),
            ["text"] = "文字 and text\n",
            ["raw"] = new byte[] { 0, 128, 255 },
            ["nested"] = new Dictionary<object, object?> { ["list"] = new List<object?>(), ["tuple"] = (object?[])[], ["dict"] = new Dictionary<object, object?>() },
        };
        TorchArchive.Save(value, _folder["state.pt"]);
        var back = TorchArchive.Load(_folder["state.pt"]).Should().BeOfType<Dictionary<object, object?>>().Subject;

        back.Keys.Should().Equal(value.Keys);
        TensorAt("tensor").ToArray<float>().Should().Equal(1, 2, 3, 4, 5, 6);
        TensorAt("tensor").Shape.Should().Be(new Shape(2, 3));
        TensorAt("half").ToArray<Half>().Should().Equal((Half)1.5f);
        TensorAt("half").Shape.Should().Be(Shape.Scalar);
        TensorAt("bytes").ToArray<byte>().Should().Equal(1, 2, 255);
        TensorAt("empty").Shape.Should().Be(new Shape(0, 4));
        back[7L].Should().BeOfType<List<object?>>().Which.Should().Equal(null, true, false, 0L, -1L, 255L, 256L, 65535L, 65536L, (long)int.MinValue, (long)uint.MaxValue, long.MinValue, long.MaxValue);
        back["numbers"].Should().BeOfType<object?[]>().Which.Should().Equal(0.0, -1.5, double.PositiveInfinity, 1e-300, 2.5);
        back["big"].Should().Be(BigInteger.Pow(2, 80));
        back["text"].Should().Be("文字 and text\n");
        back["raw"].Should().BeOfType<byte[]>().Which.Should().Equal(0, 128, 255);
        var nested = (Dictionary<object, object?>)back["nested"]!;
        nested["list"].Should().BeOfType<List<object?>>().Which.Should().BeEmpty();
        nested["tuple"].Should().BeOfType<object?[]>().Which.Should().BeEmpty();
        nested["dict"].Should().BeOfType<Dictionary<object, object?>>().Which.Should().BeEmpty();

        Tensor TensorAt(string key) => back[key].Should().BeOfType<Tensor>().Subject;
    }

    [Fact]
    public void A_tensor_that_occurs_twice_is_written_once_and_weights_open_as_a_checkpoint()
    {
        using var scope = new TensorScope();
        var shared = Tensor.From(new float[1000], [1000]);
        TorchArchive.Save(new Dictionary<object, object?> { ["a"] = shared, ["b"] = shared }, _folder["pytorch_model.bin"]);
        new FileInfo(_folder["pytorch_model.bin"]).Length.Should().BeLessThan(6000);
        using var checkpoint = Checkpoint.Open(_folder["pytorch_model.bin"]);
        checkpoint.Entries["a"].SharesStorageWith(checkpoint.Entries["b"]).Should().BeTrue();
    }

    [Fact]
    public void The_same_values_give_the_same_bytes()
    {
        using var scope = new TensorScope();
        var value = new Dictionary<object, object?> { ["a"] = Tensor.From([1f], [1]), ["b"] = 2.5 };
        Directory.CreateDirectory(_folder["one"]);
        TorchArchive.Save(value, _folder["one/x.pt"]);
        TorchArchive.Save(value, _folder["x.pt"]);
        File.ReadAllBytes(_folder["x.pt"]).Should().Equal(File.ReadAllBytes(_folder["one/x.pt"]));
    }

    [Fact]
    public void What_has_no_form_in_a_pickle_is_refused_and_nothing_is_written()
    {
        FluentActions.Invoking(() => TorchArchive.Save(new List<object?> { new Uri("file:///") }, _folder["x.pt"])).Should().Throw<ArgumentException>().WithMessage("*Uri*");
        var endless = new List<object?>();
        endless.Add(endless);
        FluentActions.Invoking(() => TorchArchive.Save(endless, _folder["x.pt"])).Should().Throw<ArgumentException>().WithMessage("*nested*");
        File.Exists(_folder["x.pt"]).Should().BeFalse();
    }

    [Theory]
    [InlineData("u1", "abc", 3)]
    [InlineData("<u2", "abcd", 2)]
    public void A_numpy_array_is_read(string dtype, string bytes, int length)
    {
        var array = Load(NumpyPickle(dtype, bytes, length)).Should().BeOfType<NumpyArray>().Subject;
        array.Shape.Should().Equal(length);
        array.Bytes.ToArray().Should().Equal(System.Text.Encoding.Latin1.GetBytes(bytes));
    }

    [Theory]
    [InlineData("u4", "abc", 3)]
    [InlineData("u1", "abc", -3)]
    [InlineData("u1", "abc", int.MaxValue)]
    [InlineData("O8", "abc", 3)]
    [InlineData(">u4", "abcd", 1)]
    [InlineData("V3", "abc", 1)]
    public void A_numpy_array_that_does_not_fit_its_bytes_or_holds_objects_is_refused(string dtype, string bytes, int length) =>
        FluentActions.Invoking(() => Load(NumpyPickle(dtype, bytes, length))).Should().Throw<CheckpointException>();

    private object? Load(PickleWriter pickle) => TorchArchive.Load(_folder.Write("x.pt", TorchFiles.Zip(pickle.Stop().ToArray(), [])));

    /// <summary>What numpy's own pickling writes.</summary>
    private static PickleWriter NumpyPickle(string dtype, string bytes, int length) =>
        new PickleWriter().Proto().Global("numpy.core.multiarray", "_reconstruct").Global("numpy", "ndarray").Mark().Int(0).Op('t').Text("b").Op(0x87).Op('R').Mark().Int(1).Mark().Int(length).Op('t')
            .Global("numpy", "dtype").Text(dtype).Op(0x89).Op(0x88).Op(0x87).Op('R').Mark().Int(3).Text("<").Op('N').Op('N').Op('N').Int(-1).Int(-1).Int(0).Op('t').Op('b').Op(0x89)
            .Global("_codecs", "encode").Text(bytes).Text("latin1").Op(0x86).Op('R').Op('t').Op('b');
}
