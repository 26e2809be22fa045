using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Formats;

public sealed class ShardedSafetensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static IEnumerable<TensorSource> Model(byte value, int tensors = 4) =>
        Enumerable.Range(0, tensors).Select(i => TensorSource.From($"t{i}", DType.UInt8, [8], Enumerable.Repeat(value, 8).ToArray()));

    private static readonly string[] TwoShards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"];

    private void ShouldHold(byte value, int tensors = 4)
    {
        using var checkpoint = Checkpoint.Open(_folder.Root);
        checkpoint.Entries.Should().HaveCount(tensors);
        foreach (var name in checkpoint.Entries.Keys)
            checkpoint.Bytes(name).Span.ToArray().Should().OnlyContain(b => b == value);
    }

    [Fact]
    public void Writes_one_file_when_everything_fits()
    {
        ShardedSafetensorsWriter.Write(_folder.Root, Model(1), 32);
        _folder.Names().Should().Equal("model.safetensors");
        ShouldHold(1);
    }

    [Fact]
    public void Writes_the_names_and_the_index_of_transformers()
    {
        ShardedSafetensorsWriter.Write(_folder.Root, Model(1), 31).Should().Equal(TwoShards);
        _folder.Names().Should().Equal(TwoShards);
        File.ReadAllText(_folder["model.safetensors.index.json"]).Should().Be("""
            {
              "metadata": {
                "total_size": 32
              },
              "weight_map": {
                "t0": "model-00001-of-00002.safetensors",
                "t1": "model-00001-of-00002.safetensors",
                "t2": "model-00001-of-00002.safetensors",
                "t3": "model-00002-of-00002.safetensors"
              }
            }

            """.ReplaceLineEndings("\n"));
        ShouldHold(1);
    }

    [Fact]
    public void A_tensor_larger_than_a_shard_gets_one_of_its_own()
    {
        ShardedSafetensorsWriter.Write(_folder.Root, Model(1), 1).Should().HaveCount(5);
        ShouldHold(1);
    }

    [Theory]
    [InlineData(1000, 16), InlineData(16, 1000), InlineData(16, 16), InlineData(8, 16), InlineData(1000, 1000)]
    public void A_new_snapshot_takes_the_place_of_the_old_one_and_leaves_nothing_of_it(long oldShardBytes, long newShardBytes)
    {
        ShardedSafetensorsWriter.Write(_folder.Root, Model(1), oldShardBytes);
        _folder.Write("config.json", "{}");
        _folder.Write("model-00007-of-00009.safetensors.0123456789abcdef0123456789abcdef.partial", "left behind");
        var written = ShardedSafetensorsWriter.Write(_folder.Root, Model(2), newShardBytes);
        ShouldHold(2);
        _folder.Names().Should().BeEquivalentTo(written.Append("config.json"));
    }

    [Theory]
    [InlineData(1000, 16), InlineData(16, 1000), InlineData(16, 16), InlineData(8, 16), InlineData(1000, 1000)]
    public void A_writer_that_fails_at_the_last_tensor_leaves_the_old_snapshot_whole(long oldShardBytes, long newShardBytes)
    {
        ShardedSafetensorsWriter.Write(_folder.Root, Model(1), oldShardBytes);
        var before = _folder.Names();
        var failing = Model(2, 3).Append(new TensorSource("t3", DType.UInt8, [8], _ => throw new IOException("disk full")));
        FluentActions.Invoking(() => ShardedSafetensorsWriter.Write(_folder.Root, failing, newShardBytes)).Should().Throw<IOException>();
        _folder.Names().Should().Equal(before);
        ShouldHold(1);
    }

    [Fact]
    public void The_old_snapshot_stays_whole_up_to_the_moment_the_new_one_is()
    {
        ShardedSafetensorsWriter.Write(_folder.Root, Model(1), 16);
        var seen = 0;
        var watched = Model(2).Select(t => new TensorSource(t.Name, t.DType, t.Shape, stream =>
        {
            ShouldHold(1); // as after a crash at this point
            seen++;
            t.WriteTo(stream);
        }));
        ShardedSafetensorsWriter.Write(_folder.Root, watched, 16);
        seen.Should().Be(4);
        ShouldHold(2);
    }

    [Theory]
    [InlineData("10GB", 10_000_000_000), InlineData("10 gib", 10L << 30), InlineData("5KB", 5000), InlineData("1MiB", 1 << 20), InlineData("123", 123)]
    public void Sizes_are_read_as_transformers_reads_them(string text, long bytes) => ShardSize.Parse(text).Should().Be(bytes);

    [Theory]
    [InlineData(""), InlineData("GB"), InlineData("-1GB"), InlineData("1.5GB"), InlineData("0"), InlineData("99999999999GB"), InlineData("10TB")]
    public void A_text_that_is_no_size_is_refused(string text) =>
        FluentActions.Invoking(() => ShardSize.Parse(text)).Should().Throw<ArgumentException>().WithMessage("*10GB*");

    [Fact]
    public void Tensors_are_saved_in_shards_through_the_public_door()
    {
        using var a = Tensor.From<float>([1, 2], [2]);
        using var b = Tensor.From<float>([3, 4], [2]);
        Safetensors.SaveSharded([new("a", a), new("b", b)], _folder.Root, "8");
        _folder.Names().Should().Equal(TwoShards);
        using var checkpoint = Checkpoint.Open(_folder.Root);
        using var read = checkpoint.Read("b");
        read.ToArray<float>().Should().Equal(3, 4);
    }
}
