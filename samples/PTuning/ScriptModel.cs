using ChatGLM.Models;
using ChatGLM.Tokenizers;
using ChatGLM.Training;

namespace ChatGLM.Samples.PTuning;

/// <summary>A model whose checkpoints hold the tokenizer too, as the script saves them: a checkpoint of the whole model is a snapshot that can be loaded by its folder.</summary>
internal sealed class ScriptModel(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer) : TrainableModel(model)
{
    /// <inheritdoc/>
    public override void Save(string folder, bool? safeSerialization = null)
    {
        base.Save(folder, safeSerialization);
        tokenizer.SavePretrained(folder);
    }
}
