using ChatGLM.Formats;
using ChatGLM.Fuzz.Files;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Formats.Gguf;

public sealed class GgufFileTests
{
    /// <summary>
    /// A file written down byte by byte from the documentation of the format (ggml's docs/gguf.md): magic, version 3, one tensor, three keys; then the tensor's name, axes, shape from the innermost, type, offset; padding
    /// to 32; the numbers 1 and 2.
    /// </summary>
    private static readonly byte[] ByHand =
    [
        .. "GGUF"u8, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
        4, 0, 0, 0, 0, 0, 0, 0, .. "text"u8, 8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, .. "hi"u8,
        1, 0, 0, 0, 0, 0, 0, 0, .. "n"u8, 4, 0, 0, 0, 42, 0, 0, 0,
        4, 0, 0, 0, 0, 0, 0, 0, .. "list"u8, 9, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255,
        1, 0, 0, 0, 0, 0, 0, 0, .. "t"u8, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        .. new byte[16], 0, 0, 128, 63, 0, 0, 0, 64,
    ];

    [Fact]
    public void A_file_written_by_hand_is_read_as_the_documentation_says()
    {
        var length = ByHand.Length - 8;
        (length % 32).Should().Be(0, "the data begins at a multiple of the alignment");
        using var region = ByteRegion.Copy("by hand", ByHand);
        var file = GgufFile.Open(region);
        file.FindText("text").Should().Be("hi");
        file.FindInteger("n", 0, 100).Should().Be(42);
        file.FindNumbers<int>("list", GgufType.Int32, 10).Should().Equal(1, -1);
        file.FindText("none").Should().BeNull();
        var tensor = file.Tensors["t"];
        tensor.Shape.Should().Equal(1, 2);
        tensor.DType.Should().Be(DType.Float32);
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(file.Bytes(tensor).Span).ToArray().Should().Equal(1, 2);
        file.Invoking(f => f.FindInteger("n", 0, 41)).Should().Throw<CheckpointException>().WithMessage("*'n'*from 0 to 41*42*");
        file.Invoking(f => f.FindInteger("text", 0, 41)).Should().Throw<CheckpointException>().WithMessage("*'text'*whole number*String*");
        file.Invoking(f => f.FindText("n")).Should().Throw<CheckpointException>().WithMessage("*'n'*string*UInt32*");
        file.Invoking(f => f.FindBool("n")).Should().Throw<CheckpointException>().WithMessage("*'n'*true or false*");
        file.Invoking(f => f.FindNumbers<int>("list", GgufType.Int32, 1)).Should().Throw<CheckpointException>().WithMessage("*'list' has 2 elements*at most 1*");
        file.Invoking(f => f.FindStrings("list", 9, 9)).Should().Throw<CheckpointException>().WithMessage("*'list'*array of String*");
    }

    [Fact]
    public void Every_cut_gives_a_typed_error()
    {
        for (var length = 0; length < ByHand.Length; length++)
            Refused(ByHand[..length], "*");
        Refused(ByHand[..^1], "*'t' needs 8 bytes*cut off*");
    }

    [Fact]
    public void Damage_is_named()
    {
        Refused(With(4, 1), "*version 1*2 or 3*");
        Refused([.. ByHand[..4], 0, 0, 0, 3, .. ByHand[8..]], "*big-endian*");
        Refused(With(12, 255, 255, 255, 255), "*tensors and*keys are announced*");
        Refused(With(24, 255, 255, 255, 255), "*name of metadata key 0*said to have*");
        Refused(With(36, 13), "*'text'*unknown type 13*");
        Refused(new GgufWriter().Raw("deep", 9, [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).ToArray(), "*'deep'*array of arrays*");
        Refused(new GgufWriter().Raw("long", 9, [4, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127]).ToArray(), "*'long'*elements*limit*");
        Refused(new GgufWriter().Raw("long", 9, [8, 0, 0, 0, 255, 255, 255, 0, 0, 0, 0, 0]).ToArray(), "*'long'*cut off*");
        Refused(new GgufWriter().Number("a", 1u).Number("a", 2u).ToArray(), "*'a' appears twice*");
        Refused(new GgufWriter().Number("general.alignment", 12u).ToArray(), "*alignment*multiple of 8*12*");
        Refused(new GgufWriter().Number("split.count", 3u).ToArray(), "*one of 3 parts*Join*");
        Refused(new GgufWriter().Raw("\uD800", 4, [0, 0, 0, 0]).Tensor("t", [1], 0, new byte[4]).Tensor("t", [1], 0, new byte[4]).ToArray(), "*'t' appears twice*");
        Refused(new GgufWriter { OffsetError = 32 }.Tensor("t", [1], 0, new byte[4]).Tensor("u", [1], 0, new byte[4]).ToArray(), "*'u'*begin at data byte 64*32*");
        Refused(new GgufWriter().Tensor("t", [1, 1, 1, 1, 1], 0, new byte[4]).ToArray(), "*'t' has 5 axes*");
        Refused(new GgufWriter().Tensor("t", [2, 48], 2, new byte[54]).ToArray(), "*'t' have 48 elements*Q4_0*multiple of 32*");
        Refused(new GgufWriter().Tensor("t", [long.MaxValue, 3], 0, new byte[4]).ToArray(), "*'t'*more elements than a file can hold*");
        Refused(new GgufWriter().Tensor(new string('x', 65), [1], 0, new byte[4]).ToArray(), "*name of tensor 0*65 bytes*64*");
    }

    [Theory]
    [InlineData(10u, "Q2_K")]
    [InlineData(11u, "Q3_K")]
    [InlineData(20u, "IQ4_NL")]
    [InlineData(39u, "MXFP4")]
    [InlineData(4u, "unknown number 4")]
    [InlineData(999u, "unknown number 999")]
    public void A_type_that_is_not_computed_with_is_named_with_its_tensor_and_what_is(uint type, string name) =>
        Refused(new GgufWriter().Tensor("blk.7.ffn_up.weight", [2, 256], type, new byte[512]).ToArray(), $"*'blk.7.ffn_up.weight'*{name}*Supported are*Q4_0*Q6_K*");

    [Fact]
    public void A_model_of_another_kind_is_named()
    {
        Unsupported(new GgufWriter().String("general.architecture", "llama"), "*'llama'*'chatglm'*");
        Unsupported(new GgufWriter().Number("n", 1u), "*general.architecture is missing*");
        Unsupported(Minimal().Tensor("blk.0.attn_q.weight", [64, 32], 0, new byte[64 * 32 * 4]), "*query, key and value stand apart*attn_qkv*");
        Unsupported(Minimal().Number("chatglm.rope.dimension_count", 7u), "*rope.dimension_count*7*half of the 8*");
    }

    [Fact]
    public void A_key_that_is_missing_or_does_not_fit_is_named()
    {
        using var folder = new TemporaryFolder();
        foreach (var (writer, message) in new[]
        {
            (new GgufWriter().String("general.architecture", "chatglm"), "*attention.head_count*missing*"),
            (Minimal("chatglm.block_count"), "*chatglm.block_count*missing*"),
            (Minimal("chatglm.attention.head_count").Number("chatglm.attention.head_count", 5u), "*head_count*5 and 2*64 rows*"),
        })
        {
            File.WriteAllBytes(folder["model.gguf"], writer.ToArray());
            FluentActions.Invoking(() => AutoModel.FromPretrained(folder["model.gguf"])).Should().Throw<ConfigException>().WithMessage(message);
        }

        File.WriteAllBytes(folder["model.gguf"], Minimal().ToArray());
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder["model.gguf"])).Should().Throw<MissingWeightsException>().WithMessage("*self_attention.dense*");
    }

    /// <summary>Metadata of a model with heads of 8, its table and one projection.</summary>
    private static GgufWriter Minimal(string? without = null)
    {
        var writer = new GgufWriter().String("general.architecture", "chatglm");
        foreach (var (key, value) in new[] { ("context_length", 32u), ("embedding_length", 32u), ("feed_forward_length", 64u), ("block_count", 1u), ("attention.head_count", 4u), ("attention.head_count_kv", 2u) })
        {
            if ($"chatglm.{key}" != without)
                writer.Number($"chatglm.{key}", value);
        }

        return writer.Tensor("token_embd.weight", [96, 32], 0, new byte[96 * 32 * 4]).Tensor("blk.0.attn_qkv.weight", [64, 32], 0, new byte[64 * 32 * 4]);
    }

    private static byte[] With(int at, params byte[] bytes) => [.. ByHand[..at], .. bytes, .. ByHand[(at + bytes.Length)..]];

    private static void Refused(byte[] bytes, string message)
    {
        using var region = ByteRegion.Copy("x.gguf", bytes);
        FluentActions.Invoking(() => GgufFile.Open(region)).Should().Throw<CheckpointException>().WithMessage(message);
    }

    private static void Unsupported(GgufWriter writer, string message)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["model.gguf"], writer.ToArray());
        FluentActions.Invoking(() => AutoModel.FromPretrained(folder["model.gguf"])).Should().Throw<UnsupportedModelException>().WithMessage(message);
    }
}
