using ChatGLM.Tokenizers;
using ChatGLM.Training;

namespace ChatGLM.Samples.LoraTrainer;

/// <summary>
/// Rows of the template with its text, cut, with the end token behind. For ChatGLM2 and 3 every token is a label, as in the original. ChatGLM-6B sees its whole question at once, so that learning
/// the question would be learning to copy; there only the answer is learned, as THUDM's script does it.
/// </summary>
internal sealed class LoraFeatures(ChatGLMTokenizer tokenizer, LoraSettings settings) : IFeatureBuilder
{
    public string Fingerprint => $"lora-trainer:1:{tokenizer.Fingerprint}:{settings.DataType}:{settings.CutoffLen}";

    public IEnumerable<TokenizedExample> Build(TrainingRecord record)
    {
        var (question, answer) = settings.DataType == DataType.Json
            ? (LoraPrompt.Question(record.Text("context")), record.Text("target"))
            : (LoraPrompt.TextHead, record.Text("text"));
        if (answer.Length == 0)
            return [];
        if (tokenizer.Generation != ChatGLMGeneration.ChatGLM6B)
            return [new TokenizedExample([.. tokenizer.Encode(question + answer, null, new EncodeOptions { Truncation = true, MaxLength = settings.CutoffLen - 1 }), tokenizer.EosTokenId])];
        var plain = new EncodeOptions { AddSpecialTokens = false };
        var (source, target) = (tokenizer.Encode(question, null, plain), tokenizer.Encode(answer, null, plain));
        // Three special tokens stand between and behind.
        source = source[..Math.Min(source.Length, settings.CutoffLen - 4)];
        target = target[..Math.Min(target.Length, settings.CutoffLen - 3 - source.Length)];
        var ids = tokenizer.BuildInputsWithSpecialTokens(source, target, hasPair: true);
        var labels = ids.AsSpan().ToArray();
        labels.AsSpan(0, Array.IndexOf(ids, tokenizer.BosTokenId)).Fill(-100);
        return [new TokenizedExample(ids, labels)];
    }
}
