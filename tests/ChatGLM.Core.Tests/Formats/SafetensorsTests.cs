using System.Text;
using ChatGLM.Formats;
using ChatGLM.Fuzz.Files;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Formats;

public sealed class SafetensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Writes_the_layout_of_the_official_library()
    {
        // Its layout: metadata first, tensors by falling element type, then by name; header padded to a multiple of 8.
        var path = _folder["x.safetensors"];
        SafetensorsWriter.Write(path,
        [
            TensorSource.From("b", DType.Float32, [1], [1, 2, 3, 4]),
            TensorSource.From("a", DType.Float32, [1], [5, 6, 7, 8]),
            TensorSource.From("i", DType.Int64, [1], [1, 0, 0, 0, 0, 0, 0, 0]),
            TensorSource.From("h", DType.BFloat16, [2], [9, 9, 9, 9]),
            TensorSource.From("u", DType.UInt8, [3], [1, 2, 3]),
        ]);
        var bytes = File.ReadAllBytes(path);
        const string Header = """{"__metadata__":{"format":"pt"},"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},"h":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]},"u":{"dtype":"U8","shape":[3],"data_offsets":[20,23]}}""";
        var padded = Header.PadRight((Header.Length + 7) / 8 * 8);
        BitConverter.ToInt64(bytes).Should().Be(padded.Length);
        Encoding.UTF8.GetString(bytes, 8, padded.Length).Should().Be(padded);
        bytes[(8 + padded.Length)..].Should().Equal(1, 0, 0, 0, 0, 0, 0, 0, 5, 6, 7, 8, 1, 2, 3, 4, 9, 9, 9, 9, 1, 2, 3);
    }

    [Theory]
    [InlineData(DType.Float32), InlineData(DType.Float16), InlineData(DType.BFloat16), InlineData(DType.Float64), InlineData(DType.Int64)]
    [InlineData(DType.Int32), InlineData(DType.Int16), InlineData(DType.Int8), InlineData(DType.UInt8), InlineData(DType.Bool)]
    public void Every_element_type_survives_a_round_trip(DType dtype)
    {
        var bytes = Enumerable.Range(0, 6 * dtype.SizeInBytes()).Select(i => (byte)(i % 2)).ToArray();
        SafetensorsWriter.Write(_folder["x.safetensors"], [TensorSource.From("权重.\"x\"", dtype, [2, 3], bytes), TensorSource.From("scalar", dtype, [], bytes[..dtype.SizeInBytes()])]);
        using var checkpoint = Checkpoint.Open(_folder["x.safetensors"]);
        checkpoint.Entries["权重.\"x\""].DType.Should().Be(dtype);
        checkpoint.Entries["权重.\"x\""].Shape.Should().Equal(2, 3);
        checkpoint.Bytes("权重.\"x\"").Span.ToArray().Should().Equal(bytes);
        checkpoint.Entries["scalar"].Shape.Should().BeEmpty();
        checkpoint.Metadata.Should().Equal(new Dictionary<string, string> { ["format"] = "pt" });
    }

    [Fact]
    public void Tensors_survive_a_round_trip_and_are_views_of_the_mapped_file()
    {
        using var weight = Tensor.From<float>([1, 2, 3, 4, 5, 6], [2, 3]);
        Safetensors.SaveFile(new Dictionary<string, Tensor> { ["w"] = weight }, _folder["x.safetensors"], new Dictionary<string, string> { ["by"] = "test" });
        Tensor read;
        using (var checkpoint = Checkpoint.Open(_folder["x.safetensors"]))
        {
            checkpoint.Metadata["by"].Should().Be("test");
            read = checkpoint.Read("w");
        }

        read.Storage.Should().BeOfType<MappedFile>("nothing is copied");
        read.Shape.Should().Be(new Shape(2, 3));
        read.ToArray<float>().Should().Equal(1, 2, 3, 4, 5, 6);
        read.Dispose();
    }

    [Fact]
    public void A_disposed_checkpoint_gives_no_more_tensors()
    {
        File.WriteAllBytes(_folder["x.safetensors"], SafetensorsFiles.Make("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1));
        var checkpoint = Checkpoint.Open(_folder["x.safetensors"]);
        checkpoint.Dispose();
        FluentActions.Invoking(() => checkpoint.Read("a")).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void Tensors_beyond_two_and_four_gigabytes_are_read_where_they_lie()
    {
        const long Large = 5L << 30;
        var header = $$$"""{"large":{"dtype":"U8","shape":[5,1073741824],"data_offsets":[0,{{{Large}}}]},"last":{"dtype":"F32","shape":[2],"data_offsets":[{{{Large}}},{{{Large + 8}}}]}}""";
        header = header.PadRight((header.Length + 7) / 8 * 8);
        var path = _folder["large.safetensors"];
        using (var file = File.Create(path))
        {
            file.Write(SafetensorsFiles.Make(header));
            file.SetLength(8 + header.Length + Large + 8); // a hole, which takes no room on the disk
            file.Position = 8 + header.Length + Large - 1;
            file.WriteByte(77);
            file.Write(TorchFiles.Floats(1.5f, 2.5f));
        }

        using var checkpoint = Checkpoint.Open(path);
        checkpoint.Entries["large"].LengthInBytes.Should().Be(Large);
        using var large = checkpoint.Read("large");
        var end = new byte[2];
        large.Read(Large - 2, end);
        end.Should().Equal(0, 77);
        using var last = checkpoint.Read("last");
        last.ToArray<float>().Should().Equal(1.5f, 2.5f);
    }

    [Fact]
    public void A_writer_that_fails_midway_leaves_the_old_file_and_nothing_else()
    {
        var path = _folder["x.safetensors"];
        SafetensorsWriter.Write(path, [TensorSource.From("old", DType.UInt8, [1], [42])]);
        var before = File.ReadAllBytes(path);
        var write = () => SafetensorsWriter.Write(path,
            [TensorSource.From("a", DType.UInt8, [1], [1]), new TensorSource("b", DType.UInt8, [1], _ => throw new IOException("disk full"))]);
        write.Should().Throw<IOException>();
        File.ReadAllBytes(path).Should().Equal(before);
        _folder.Names().Should().Equal("x.safetensors");
    }

    [Fact]
    public void A_source_that_gives_other_bytes_than_announced_is_refused()
    {
        var write = () => SafetensorsWriter.Write(_folder["x.safetensors"], [TensorSource.From("a", DType.Float32, [2], [1, 2, 3])]);
        write.Should().Throw<CheckpointException>().WithMessage("*'a'*8 bytes*gave 3*");
        _folder.Names().Should().BeEmpty();
    }

    [Fact]
    public void A_name_given_twice_is_refused()
    {
        var write = () => SafetensorsWriter.Write(_folder["x.safetensors"], [TensorSource.From("a", DType.UInt8, [1], [1]), TensorSource.From("a", DType.UInt8, [1], [1])]);
        write.Should().Throw<ArgumentException>().WithMessage("*'a'*twice*");
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, "*'dtype' of 'a' appears twice*")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "*__metadata__*twice*")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", 0, "*'a' appears twice*")]
    [InlineData("""{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}""", 1, "*F8_E4M3*Convert*")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}""", 1, "*whole numbers*1e0*")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":["0",1]}}""", 1, "*whole numbers*")]
    [InlineData("""{"\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, "*Unicode*")]
    [InlineData("""{} {}""", 0, "*JSON*")]
    [InlineData("""{"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}""", 0, null)]
    public void Headers_are_read_as_strictly_as_the_official_reader_does(string header, int dataBytes, string? message)
    {
        var open = () => SafetensorsFile.Open(ByteRegion.Copy("test", SafetensorsFiles.Make(header, dataBytes)));
        if (message is null)
            open.Should().NotThrow("a product that is zero before it could overflow is no overflow");
        else
            open.Should().Throw<CheckpointException>().WithMessage(message);
    }

    [Fact]
    public void A_header_nested_to_the_limit_of_its_length_is_refused()
    {
        var header = "{\"a\":{\"x\":" + new string('[', 1_000_000);
        var open = () => SafetensorsFile.Open(ByteRegion.Copy("test", SafetensorsFiles.Make(header)));
        open.Should().Throw<CheckpointException>().WithMessage("*JSON*");
    }
}
