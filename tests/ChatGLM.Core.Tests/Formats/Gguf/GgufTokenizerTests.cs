using ChatGLM.Core.Tests.Tokenizers;
using ChatGLM.Fuzz.Files;
using ChatGLM.Tokenizers;

namespace ChatGLM.Core.Tests.Formats.Gguf;

public sealed class GgufTokenizerTests
{
    [Theory]
    [InlineData(ChatGLMGeneration.ChatGLM2)]
    [InlineData(ChatGLMGeneration.ChatGLM3)]
    public void Ids_and_texts_are_those_of_the_SentencePiece_model(ChatGLMGeneration generation)
    {
        using var folder = new TemporaryFolder();
        Write(folder, generation);
        var (found, expected) = (AutoTokenizer.FromPretrained(folder["model.gguf"]), SmallTokenizers.Get(generation));
        found.Generation.Should().Be(generation);
        found.VocabSize.Should().Be(expected.VocabSize);
        (found.BosTokenId, found.EosTokenId, found.PadTokenId, found.UnkTokenId, found.SopTokenId).Should().Be((expected.BosTokenId, expected.EosTokenId, expected.PadTokenId, expected.UnkTokenId, expected.SopTokenId));
        var recorded = SmallTokenizers.Recorded("bpe");
        var texts = recorded.GetProperty("strings").EnumerateArray().Select(s => s.GetProperty("text").GetString()!)
            .Concat(["  two  spaces ", "\t\n", "<s></s><unk>", "[gMASK]sop<|user|>\n你好<|assistant|>", "naïve café 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 👩‍👩‍👧 ﷽", new string('a', 300)]).ToList();
        texts.Should().HaveCountGreaterThan(50);
        foreach (var text in texts)
        {
            found.Encode(text).Should().Equal(expected.Encode(text), "'{0}'", text);
            found.Tokenize(text).Should().Equal(expected.Tokenize(text), "'{0}'", text);
        }

        foreach (var sample in recorded.GetProperty("decodings").EnumerateArray())
        {
            var ids = sample.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
            found.Decode(ids).Should().Be(expected.Decode(ids));
        }
    }

    [Fact]
    public void It_is_saved_as_that_of_a_snapshot()
    {
        using var folder = new TemporaryFolder();
        Write(folder, ChatGLMGeneration.ChatGLM3);
        AutoTokenizer.FromPretrained(folder["model.gguf"]).SavePretrained(folder["saved"]);
        var loaded = AutoTokenizer.FromPretrained(folder["saved"]);
        loaded.Generation.Should().Be(ChatGLMGeneration.ChatGLM3);
        loaded.Encode("你好 world").Should().Equal(SmallTokenizers.Get(ChatGLMGeneration.ChatGLM3).Encode("你好 world"));
    }

    [Fact]
    public void A_tokenizer_of_another_kind_or_with_parts_missing_is_refused()
    {
        Refused(w => w.String("tokenizer.ggml.model", "gpt2"), "*'gpt2'*GLM-4*original snapshot*");
        Refused(_ => { }, "*'tokenizer.ggml.model' is missing*");
        Refused(w => w.String("tokenizer.ggml.model", "llama"), "*no 'tokenizer.ggml.tokens'*");
        Refused(w => w.String("tokenizer.ggml.model", "llama").Strings("tokenizer.ggml.tokens", ["a", "b"]).Numbers("tokenizer.ggml.scores", [0f]).Numbers("tokenizer.ggml.token_type", [1, 1]), "*2 tokens, but 1 scores*");
        Refused(
            w => w.String("tokenizer.ggml.model", "llama").Strings("tokenizer.ggml.tokens", ["a", "b", "c", "d", "e", "f"]).Numbers("tokenizer.ggml.scores", new float[6]).Numbers("tokenizer.ggml.token_type", new int[6]),
            "*[MASK], [gMASK]*one after the other*");
        string[] tokens = ["a", "[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"];
        Refused(
            w => w.String("tokenizer.ggml.model", "llama").Strings("tokenizer.ggml.tokens", tokens).Numbers("tokenizer.ggml.scores", new float[6]).Numbers("tokenizer.ggml.token_type", [9, 3, 3, 3, 3, 3]), "*token 0 is of the type 9*");
        Refused(
            w => w.String("tokenizer.ggml.model", "llama").Strings("tokenizer.ggml.tokens", tokens).Numbers("tokenizer.ggml.scores", new float[6]).Numbers("tokenizer.ggml.token_type", [1, 3, 3, 3, 3, 3]), "*unknown piece*");

        static void Refused(Action<GgufWriter> add, string message)
        {
            using var folder = new TemporaryFolder();
            using var model = GgufModels.Random(GgufModels.Wide);
            GgufModels.Write(model, folder["model.gguf"], _ => "Q8_0", change: add);
            FluentActions.Invoking(() => AutoTokenizer.FromPretrained(folder["model.gguf"])).Should().Throw<TokenizerException>().WithMessage(message);
        }
    }

    private static void Write(TemporaryFolder folder, ChatGLMGeneration generation)
    {
        using var model = GgufModels.Random(GgufModels.Wide with { PaddedVocabSize = 1536 });
        GgufModels.Write(model, folder["model.gguf"], _ => "Q8_0", SmallTokenizers.ModelBytes("bpe"), hasRoles: generation == ChatGLMGeneration.ChatGLM3);
    }
}
