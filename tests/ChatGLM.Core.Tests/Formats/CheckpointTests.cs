using ChatGLM.Formats;
using ChatGLM.Fuzz.Files;

namespace ChatGLM.Core.Tests.Formats;

public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>One-byte tensors by name.</summary>
    private static byte[] File(params string[] names) => SafetensorsFiles.Make(
        "{" + string.Join(",", names.Select((n, i) => $"\"{n}\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[{i},{i + 1}]}}")) + "}", names.Length);

    private static string Index(params (string Name, string File)[] map) =>
        "{\"weight_map\":{" + string.Join(",", map.Select(m => $"\"{m.Name}\":\"{m.File}\"")) + "}}";

    [Fact]
    public void Files_are_preferred_in_transformers_order()
    {
        _folder.Write("part.bin", TorchFiles.Zip());
        _folder.Write("pytorch_model.bin.index.json", Index(("a.weight", "part.bin")));
        Checkpoint.Open(_folder.Root).Path.Should().EndWith("pytorch_model.bin.index.json");
        _folder.Write("pytorch_model.bin", TorchFiles.Zip());
        Checkpoint.Open(_folder.Root).Path.Should().EndWith("pytorch_model.bin");
        _folder.Write("part.safetensors", File("a"));
        _folder.Write("model.safetensors.index.json", Index(("a", "part.safetensors")));
        Checkpoint.Open(_folder.Root).Path.Should().EndWith("model.safetensors.index.json");
        _folder.Write("model.safetensors", File("a"));
        Checkpoint.Open(_folder.Root).Path.Should().EndWith("model.safetensors");
    }

    [Fact]
    public void Shards_are_one_list_of_tensors()
    {
        _folder.Write("1.safetensors", File("a", "b"));
        _folder.Write("2.safetensors", File("c", "not.listed"));
        _folder.Write("model.safetensors.index.json", Index(("a", "1.safetensors"), ("b", "1.safetensors"), ("c", "2.safetensors")));
        using var checkpoint = Checkpoint.Open(_folder.Root);
        checkpoint.Entries.Keys.Should().BeEquivalentTo("a", "b", "c", "not.listed");
        checkpoint.Entries["c"].File.Should().Be(_folder["2.safetensors"]);
        checkpoint.Files.Should().Equal(_folder["1.safetensors"], _folder["2.safetensors"]);
    }

    [Fact]
    public void A_tensor_in_two_shards_is_refused()
    {
        _folder.Write("1.safetensors", File("a", "b"));
        _folder.Write("2.safetensors", File("b"));
        _folder.Write("model.safetensors.index.json", Index(("a", "1.safetensors"), ("b", "2.safetensors")));
        FluentActions.Invoking(() => Checkpoint.Open(_folder.Root)).Should().Throw<CheckpointException>().WithMessage("*'b' is already in '1.safetensors'*");
    }

    [Fact]
    public void A_tensor_in_another_shard_than_the_index_says_is_refused()
    {
        _folder.Write("1.safetensors", File("a", "b"));
        _folder.Write("2.safetensors", File("c"));
        _folder.Write("model.safetensors.index.json", Index(("a", "1.safetensors"), ("b", "2.safetensors")));
        FluentActions.Invoking(() => Checkpoint.Open(_folder.Root)).Should().Throw<ShardIndexException>().WithMessage("*'b' should be in '2.safetensors', but is in '1.safetensors'*");
    }

    [Fact]
    public void Shards_of_two_forms_are_refused()
    {
        _folder.Write("1.safetensors", File("a"));
        _folder.Write("2.bin", TorchFiles.Zip());
        _folder.Write("model.safetensors.index.json", Index(("a", "1.safetensors"), ("a.weight", "2.bin")));
        FluentActions.Invoking(() => Checkpoint.Open(_folder.Root)).Should().Throw<CheckpointException>().WithMessage("*PyTorch*Safetensors*");
    }

    [Theory]
    [InlineData("{}", "*no 'weight_map'*")]
    [InlineData("", "*empty*")]
    [InlineData("[]", "*object*")]
    [InlineData("""{"weight_map":[]}""", "*must be an object*")]
    [InlineData("""{"weight_map":{"a":1}}""", "*as a string*")]
    [InlineData("""{"weight_map":{"a":"x","a":"x"}}""", "*'a' twice*")]
    [InlineData("""{"weight_map":{},"weight_map":{}}""", "*appears twice*")]
    [InlineData("""{"weight_map":{"a":"\u002e\u002e/x"}}""", "*leaves the snapshot's folder*")]
    [InlineData("""{"weight_map":{"a":"..\\x"}}""", "*leaves the snapshot's folder*")]
    [InlineData("""{"weight_map":{"a":"C:x"}}""", "*leaves the snapshot's folder*")]
    [InlineData("""{"weight_map":{"a":""}}""", "*empty*")]
    [InlineData("version https://git-lfs.github.com/spec/v1\n", "*git lfs pull*")]
    public void Damaged_indexes_are_refused(string json, string message)
    {
        var path = _folder.Write("model.safetensors.index.json", json);
        FluentActions.Invoking(() => Checkpoint.Open(path)).Should().Throw<ShardIndexException>().WithMessage(message);
    }

    [SkippableOnWindowsFact]
    public void A_shard_that_is_a_link_out_of_the_folder_is_not_read()
    {
        _folder.Write("elsewhere/secret.safetensors", File("a"));
        _folder.Write("snapshot/model.safetensors.index.json", Index(("a", "1.safetensors")));
        System.IO.File.CreateSymbolicLink(_folder["snapshot/1.safetensors"], "../elsewhere/secret.safetensors");
        FluentActions.Invoking(() => Checkpoint.Open(_folder["snapshot"])).Should().Throw<ShardIndexException>().WithMessage("*link out of the snapshot's folder*");

        System.IO.File.CreateSymbolicLink(_folder["snapshot/model.safetensors"], _folder["elsewhere/secret.safetensors"]);
        FluentActions.Invoking(() => Checkpoint.Open(_folder["snapshot"])).Should().Throw<CheckpointException>().WithMessage("*link out of the snapshot's folder*");
    }

    [SkippableOnWindowsFact]
    public void A_link_out_of_the_folder_through_another_link_is_not_read()
    {
        _folder.Write("elsewhere/secret.safetensors", File("a"));
        _folder.Write("snapshot/config.json", "{}");
        Directory.CreateSymbolicLink(_folder["snapshot/sub"], "../elsewhere");
        System.IO.File.CreateSymbolicLink(_folder["snapshot/model.safetensors"], "sub/secret.safetensors");
        FluentActions.Invoking(() => Checkpoint.Open(_folder["snapshot"])).Should().Throw<CheckpointException>().WithMessage("*link out of the snapshot's folder*");
    }

    [SkippableOnWindowsFact]
    public void Links_in_circles_and_to_nothing_are_refused()
    {
        System.IO.File.CreateSymbolicLink(_folder["model.safetensors"], "model.safetensors");
        FluentActions.Invoking(() => Checkpoint.Open(_folder.Root)).Should().Throw<CheckpointException>().WithMessage("*circles or to nothing*");
    }

    [SkippableOnWindowsFact]
    public void The_links_of_the_hugging_face_cache_are_followed()
    {
        const string Snapshot = "models--THUDM--chatglm-6b/snapshots/0123abc";
        _folder.Write("models--THUDM--chatglm-6b/blobs/aaaa", File("a"));
        _folder.Write("models--THUDM--chatglm-6b/blobs/bbbb", Index(("a", "1.safetensors")));
        Directory.CreateDirectory(_folder[Snapshot]);
        System.IO.File.CreateSymbolicLink(_folder[Snapshot + "/1.safetensors"], "../../blobs/aaaa");
        System.IO.File.CreateSymbolicLink(_folder[Snapshot + "/model.safetensors.index.json"], "../../blobs/bbbb");
        using (var checkpoint = Checkpoint.Open(_folder[Snapshot]))
            checkpoint.Entries.Keys.Should().Equal("a");

        // The cache itself may be reached by a link.
        Directory.CreateSymbolicLink(_folder["cache"], _folder.Root);
        using (var checkpoint = Checkpoint.Open(_folder["cache/" + Snapshot]))
            checkpoint.Entries.Keys.Should().Equal("a");

        // Another repository's blobs are out of bounds.
        _folder.Write("models--other/blobs/cccc", File("a"));
        System.IO.File.Delete(_folder[Snapshot + "/1.safetensors"]);
        System.IO.File.CreateSymbolicLink(_folder[Snapshot + "/1.safetensors"], "../../../models--other/blobs/cccc");
        FluentActions.Invoking(() => Checkpoint.Open(_folder[Snapshot])).Should().Throw<ShardIndexException>().WithMessage("*link out*");
    }

    [Theory]
    [InlineData("transformer.layers.0.attention.query_key_value.weight", CheckpointKind.ChatGLM, "first generation")]
    [InlineData("transformer.encoder.layers.0.self_attention.query_key_value.weight", CheckpointKind.ChatGLM2, "ChatGLM3-6B")]
    [InlineData("base_model.model.transformer.layers.0.attention.query_key_value.lora_A.weight", CheckpointKind.LoraAdapter, "PeftModel")]
    [InlineData("transformer.prefix_encoder.embedding.weight", CheckpointKind.PrefixEncoder, "LoadPrefix")]
    [InlineData("prompt_embeddings", CheckpointKind.PromptEmbeddings, "virtual tokens")]
    [InlineData("model.layers.0.self_attn.q_proj.weight", CheckpointKind.OtherModel, "another family")]
    [InlineData("something.else", CheckpointKind.Unknown, "something.else")]
    public void A_checkpoint_says_what_it_looks_like(string tensor, CheckpointKind kind, string sentence)
    {
        using var checkpoint = Checkpoint.Open(_folder.Write("model.safetensors", File(tensor)));
        checkpoint.Kind.Should().Be(kind);
        checkpoint.Describe().Should().Contain(sentence);
        FluentActions.Invoking(() => checkpoint.Read("not.there")).Should().Throw<CheckpointException>().WithMessage("*'not.there'*" + sentence + "*");
    }

    [Fact]
    public void A_quantized_model_says_so()
    {
        using var checkpoint = Checkpoint.Open(_folder.Write("model.safetensors", File("transformer.layers.0.mlp.w.weight", "transformer.layers.0.mlp.w.weight_scale")));
        checkpoint.IsQuantized.Should().BeTrue();
        checkpoint.Describe().Should().Contain("quantized");
    }

    [Fact]
    public void A_training_state_says_so()
    {
        var pickle = new PickleWriter().Proto().Op('}').Mark().Text("state").Op('}').Text("param_groups").Op(']').Op('u').Stop().ToArray();
        using var checkpoint = Checkpoint.Open(_folder.Write("optimizer.pt", TorchFiles.Zip(pickle, [])));
        checkpoint.Kind.Should().Be(CheckpointKind.TrainingState);
        checkpoint.Describe().Should().Contain("training run");
    }

    [Theory]
    [InlineData("adapter_model.bin", "*adapter*PeftModel*")]
    [InlineData("chatglm.gguf", "*llama.cpp*")]
    [InlineData("tf_model.h5", "*TensorFlow*")]
    [InlineData("model-00001-of-00002.safetensors", "*index*")]
    [InlineData("notes.txt", "*model.safetensors*found notes.txt*")]
    public void A_folder_without_weights_says_what_is_there_instead(string name, string message)
    {
        _folder.Write(name, "x");
        FluentActions.Invoking(() => Checkpoint.Open(_folder.Root)).Should().Throw<CheckpointException>().WithMessage(message);
    }

    [Theory]
    [InlineData("<!DOCTYPE html><html>", "*web page*")]
    [InlineData("\uFEFF  <HTML>", "*web page*")]
    [InlineData("GGUF....", "*llama.cpp*")]
    [InlineData("ggml....", "*chatglm.cpp*")]
    [InlineData("{\"error\": 1}", "*JSON*")]
    [InlineData("Access denied", "*text file*Access denied*")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid", "*git lfs pull*")]
    [InlineData("", "*empty*")]
    [InlineData("\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008\u0009", "*no known weight format*0102030405060708*")]
    public void A_file_that_holds_no_weights_is_called_by_its_name(string text, string message)
    {
        _folder.Write("pytorch_model.bin", text);
        FluentActions.Invoking(() => Checkpoint.Open(_folder.Root)).Should().Throw<CheckpointException>().WithMessage(message);
    }

    [Fact]
    public void A_name_of_megabytes_does_not_fill_the_message()
    {
        var name = new string('x', 1 << 20);
        _folder.Write("1.safetensors", File("a"));
        var path = _folder.Write("model.safetensors.index.json", Index((name, "1.safetensors")));
        FluentActions.Invoking(() => Checkpoint.Open(path)).Should().Throw<ShardIndexException>().WithMessage("*download them again*")
            .Which.Message.Length.Should().BeLessThan(2000);
    }

    [Fact]
    public void A_missing_file_is_a_typed_error() =>
        FluentActions.Invoking(() => Checkpoint.Open(_folder["none.bin"])).Should().Throw<CheckpointException>().WithMessage("*no such file*");
}
