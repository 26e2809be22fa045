using ChatGLM.Formats;
using ChatGLM.Fuzz.Files;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Formats;

public sealed class TorchFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static TorchFile Open(byte[] bytes) => TorchFile.Open(ByteRegion.Copy("test", bytes));

    private static object? Root(PickleWriter pickle) => Open(TorchFiles.Zip(pickle.Stop().ToArray(), [])).Root;

    public static TheoryData<string, byte[]> Forms => new()
    {
        { "stored", TorchFiles.Zip() },
        { "deflated", TorchFiles.Zip(deflate: true) },
        { "zip64", TorchFiles.Zip(zip64: true) },
        { "deflated zip64", TorchFiles.Zip(deflate: true, zip64: true) },
        { "legacy", TorchFiles.Legacy() },
    };

    [Theory, MemberData(nameof(Forms))]
    public void Every_container_gives_the_same_tensors(string form, byte[] bytes)
    {
        var path = _folder.Write("pytorch_model.bin", bytes);
        using var checkpoint = Checkpoint.Open(path);
        checkpoint.Format.Should().Be(CheckpointFormat.PyTorch, form);
        checkpoint.Entries.Keys.Should().Equal("a.weight", "b.bias", "tied");
        using var a = checkpoint.Read("a.weight");
        using var b = checkpoint.Read("b.bias");
        using var tied = checkpoint.Read("tied");
        a.ToArray<float>().Should().Equal(1, 2, 3, 4, 5, 6);
        b.ToArray<Half>().Should().Equal((Half)1, (Half)2, (Half)3, (Half)4);
        tied.ToArray<float>().Should().Equal([1, 4, 2, 5, 3, 6], "it is the transpose of the first");
        checkpoint.Entries["tied"].SharesStorageWith(checkpoint.Entries["a.weight"]).Should().BeTrue();
        checkpoint.Entries["b.bias"].SharesStorageWith(checkpoint.Entries["a.weight"]).Should().BeFalse();
        (a.Storage is MappedFile).Should().Be(!form.StartsWith("deflated"), "what is stored in order is used in place");
        (tied.Storage is MappedFile).Should().BeFalse("a transposed tensor is put in order");
    }

    [Fact]
    public void A_copied_tensor_owns_its_memory_alone()
    {
        using var checkpoint = Checkpoint.Open(_folder.Write("x.bin", TorchFiles.Zip()));
        var tied = checkpoint.Read("tied");
        var storage = tied.Storage;
        tied.Dispose();
        FluentActions.Invoking(storage.Retain).Should().Throw<ObjectDisposedException>("the last reference went with the tensor");
    }

    [Fact]
    public void Storages_beyond_four_gigabytes_are_read_where_they_lie()
    {
        const long Large = 5L << 30;
        var pickle = new PickleWriter().Proto().Op('}').Mark().Text("large").Tensor("0", "ByteStorage", Large, 0, [5, 1 << 30], [1 << 30, 1], legacy: true)
            .Text("last").Tensor("1", "FloatStorage", 2, 0, [2], [1], legacy: true).Op('u').Stop().ToArray();
        var file = TorchFiles.Legacy(pickle, [("0", Large, []), ("1", 2, TorchFiles.Floats(1.5f, 2.5f))]);
        const int Tail = 16; // the second storage's count and bytes
        var path = _folder["large.bin"];
        using (var stream = File.Create(path))
        {
            stream.Write(file, 0, file.Length - Tail);
            stream.SetLength(file.Length + Large);
            stream.Position = file.Length - Tail + Large;
            stream.Write(file, file.Length - Tail, Tail);
        }

        using var checkpoint = Checkpoint.Open(path);
        checkpoint.Entries["large"].LengthInBytes.Should().Be(Large);
        using var last = checkpoint.Read("last");
        last.ToArray<float>().Should().Equal(1.5f, 2.5f);
    }

    [Theory]
    [InlineData("os", "system"), InlineData("builtins", "eval"), InlineData("torch", "load"), InlineData("torch.storage", "_load_from_bytes")]
    [InlineData("collections", "namedtuple"), InlineData("torch._utils", "_rebuild_tensor_v2.__globals__"), InlineData("numpy", "FloatStorage")]
    public void A_name_outside_the_list_is_refused_when_it_is_mentioned(string module, string name)
    {
        var read = () => Root(new PickleWriter().Proto().Global(module, name));
        read.Should().Throw<UnsafePickleException>().Which.Refused.Should().Be($"{module}.{name}");
    }

    [Theory]
    [InlineData('i'), InlineData('o'), InlineData(0x81), InlineData(0x82), InlineData(0x83), InlineData(0x84), InlineData(0x92)]
    public void An_opcode_that_makes_objects_is_refused(int opcode)
    {
        var read = () => Root(new PickleWriter().Proto().Mark().Op(')').Op(')').Op((byte)opcode).Raw("os\nsystem\n"u8));
        read.Should().Throw<UnsafePickleException>();
    }

    [Fact]
    public void Attributes_are_set_on_nothing_but_a_dict()
    {
        var read = () => Root(new PickleWriter().Proto().Op(']').Op('}').Op('b'));
        read.Should().Throw<UnsafePickleException>().WithMessage("*Build*");
    }

    [Fact]
    public void A_list_that_contains_itself_is_refused()
    {
        var read = () => Root(new PickleWriter().Proto().Op(']').Op('q').Op(0).Op('h').Op(0).Op('a'));
        read.Should().Throw<CheckpointException>().WithMessage("*contain*itself*");
    }

    [Fact]
    public void A_list_that_grows_after_it_was_put_elsewhere_is_refused()
    {
        var read = () => Root(new PickleWriter().Proto().Op(']').Op('q').Op(0).Op(0x85).Op('0').Op('h').Op(0).Op('N').Op('a'));
        read.Should().Throw<CheckpointException>().WithMessage("*changed after*");
    }

    [Fact]
    public void Lists_of_the_same_list_do_not_unfold_without_end()
    {
        var pickle = new PickleWriter().Proto().Op(')');
        for (var i = 0; i < 60; i++)
            pickle.Op('2').Op(0x86);
        var read = () => Root(pickle);
        read.Should().Throw<CheckpointException>().WithMessage("*unfolds*");
    }

    [Fact]
    public void Nesting_has_a_bound()
    {
        var pickle = new PickleWriter().Proto();
        for (var i = 0; i < 100_000; i++)
            pickle.Op(']');
        for (var i = 0; i < 99_999; i++)
            pickle.Op('a');
        var read = () => Root(pickle);
        read.Should().Throw<CheckpointException>().WithMessage("*deeper than*");
    }

    [Fact]
    public void Bytes_sets_devices_and_numbers_of_every_kind_are_read()
    {
        var root = (PickleSequence)Root(new PickleWriter().Proto().Mark()
            .Global("_codecs", "encode").Text("é\0").Text("latin1").Op(0x86).Op('R')
            .Global("__builtin__", "set").Op(']').Int(1).Op('a').Op(0x85).Op('R')
            .Global("torch", "device").Text("cuda").Int(0).Op(0x86).Op('R')
            .Op('I').Raw("01\n"u8).Op('L').Raw("-7L\n"u8).Op('F').Raw("1.5\n"u8).Op('S').Raw("'py2'\n"u8)
            .Op('U').Op(1).Raw([0xE9]).Op(0x8A).Op(9).Raw([0, 0, 0, 0, 0, 0, 0, 0, 1]).Op('t'))!;
        root.Items[0].Should().BeEquivalentTo(new byte[] { 0xE9, 0 });
        root.Items[1].Should().BeOfType<PickleSequence>().Which.Kind.Should().Be(PickleSequenceKind.Set);
        root.Items[2].Should().Be(new TorchDevice("cuda:0"));
        root.Items.Skip(3).Should().Equal(true, -7L, 1.5, "py2", "é", System.Numerics.BigInteger.Pow(2, 64));
    }

    [Fact]
    public void A_storage_described_in_two_ways_is_refused()
    {
        var pickle = new PickleWriter().Proto().Tensor("0", "FloatStorage", 6, 0, [6], [1]).Tensor("0", "IntStorage", 6, 0, [6], [1]).Op(0x86).Stop();
        FluentActions.Invoking(() => Open(TorchFiles.Zip(pickle.ToArray(), TorchFiles.Storages()))).Should().Throw<CheckpointException>().WithMessage("*two ways*");
    }

    [Fact]
    public void An_expanded_tensor_that_would_fill_the_memory_is_refused()
    {
        var pickle = new PickleWriter().Proto().Tensor("0", "FloatStorage", 6, 0, [1L << 40], [0]).Stop();
        FluentActions.Invoking(() => Open(TorchFiles.Zip(pickle.ToArray(), TorchFiles.Storages()))).Should().Throw<CheckpointException>().WithMessage("*unfolds to*");
    }

    [Fact]
    public void A_tensor_saved_twice_under_one_name_is_refused()
    {
        var pickle = new PickleWriter().Proto().Op('}').Mark().Text("a").Tensor("0", "FloatStorage", 6, 0, [6], [1])
            .Text("a").Tensor("1", "HalfStorage", 4, 0, [4], [1]).Op('u').Stop();
        _folder.Write("x.bin", TorchFiles.Zip(pickle.ToArray(), TorchFiles.Storages()));
        FluentActions.Invoking(() => Checkpoint.Open(_folder["x.bin"])).Should().Throw<CheckpointException>().WithMessage("*'a'*twice*");
    }

    [Theory]
    [InlineData("archive/constants.pkl", "*TorchScript*")]
    [InlineData("other/data.pkl", "*two pickles*")]
    [InlineData("../evil", "*unsafe name*")]
    [InlineData("/evil", "*unsafe name*")]
    [InlineData("a/../../evil", "*unsafe name*")]
    [InlineData("C:evil", "*unsafe name*")]
    [InlineData("archive/data/0", "*appears twice*")]
    [InlineData("", "*name is empty*")]
    public void Archives_with_an_entry_that_should_not_be_there_are_refused(string name, string message)
    {
        var zip = new ZipWriter().Add("archive/data.pkl", TorchFiles.StateDict()).Add("archive/data/0", TorchFiles.Storages()[0].Bytes)
            .Add("archive/data/1", TorchFiles.Storages()[1].Bytes).Add(name, [1]);
        FluentActions.Invoking(() => Open(zip.ToArray())).Should().Throw<CheckpointException>().WithMessage(message);
    }

    [Fact]
    public void A_file_of_a_big_endian_machine_is_refused()
    {
        var zip = new ZipWriter().Add("archive/data.pkl", TorchFiles.StateDict()).Add("archive/byteorder", "big"u8.ToArray());
        FluentActions.Invoking(() => Open(zip.ToArray())).Should().Throw<CheckpointException>().WithMessage("*big-endian*");
    }

    [Fact]
    public void A_damaged_pickle_is_found_by_its_checksum()
    {
        var zip = new ZipWriter().Add("archive/data.pkl", TorchFiles.StateDict(), crc: 1);
        FluentActions.Invoking(() => Open(zip.ToArray())).Should().Throw<CheckpointException>().WithMessage("*checksum*00000001*");
    }

    [Fact]
    public void An_entry_that_unpacks_to_far_more_than_weights_do_is_refused_unread()
    {
        var zeros = new byte[32 << 20];
        var pickle = new PickleWriter().Proto().Op('}').Text("a").Tensor("0", "ByteStorage", zeros.Length, 0, [zeros.Length], [1]).Op('s').Stop();
        _folder.Write("bomb.bin", TorchFiles.Zip(pickle.ToArray(), [("0", zeros)], deflate: true));
        using var checkpoint = Checkpoint.Open(_folder["bomb.bin"]);
        FluentActions.Invoking(() => checkpoint.Read("a")).Should().Throw<CheckpointException>().WithMessage("*never shrink*");
    }

    [Fact]
    public void Entries_that_overlap_are_refused()
    {
        var bytes = new ZipWriter().Add("archive/data.pkl", TorchFiles.StateDict()).Add("archive/x", [1]).ToArray();
        // Both directory entries lead to the first local header.
        var second = bytes.AsSpan().LastIndexOf("PK\u0001\u0002"u8);
        bytes.AsSpan(second + 42, 4).Clear();
        "archive/data.pkl"u8.Length.Should().NotBe("archive/x"u8.Length);
        FluentActions.Invoking(() => Open(bytes)).Should().Throw<CheckpointException>();

        var nested = new ZipWriter().Add("archive/data.pkl", new ZipWriter().Add("archive/x", [1]).ToArray()).Add("archive/x", [1]).ToArray();
        var last = nested.AsSpan().LastIndexOf("PK\u0001\u0002"u8);
        var inner = nested.AsSpan(4).IndexOf("PK\u0003\u0004"u8) + 4;
        BitConverter.TryWriteBytes(nested.AsSpan(last + 42), inner).Should().BeTrue();
        FluentActions.Invoking(() => Open(nested)).Should().Throw<CheckpointException>().WithMessage("*overlap*");
    }

    [Fact]
    public void The_old_tar_form_is_named()
    {
        var tar = new byte[1024];
        "storages"u8.CopyTo(tar);
        "ustar"u8.CopyTo(tar.AsSpan(257));
        FluentActions.Invoking(() => Open(tar)).Should().Throw<CheckpointException>().WithMessage("*tar archive*0.1.10*");
    }

    [Fact]
    public void Crc32_is_that_of_zip() => Crc32.Of("123456789"u8).Should().Be(0xCBF43926);
}
