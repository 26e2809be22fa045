using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Prompts;

/// <summary>The embeddings of words as first values of virtual tokens.</summary>
internal static class WordEmbeddings
{
    /// <summary>Copies the embeddings of tokens, widened to float32, into a table [tokens, hidden].</summary>
    public static void Copy(PreTrainedModel model, long[] tokens, Tensor table)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        var words = model.NamedModules().Select(m => m.Module).OfType<Embedding>().First();
        foreach (var id in tokens)
        {
            if (id < 0 || id >= model.Config.VocabularySize)
                throw new TargetModulesException($"The tokenizer gives the id {id}, and the model's vocabulary has {model.Config.VocabularySize}. Use the tokenizer of the base model.");
        }

        var rows = words.Forward(Tensor.From(tokens, [1, tokens.Length], model.Backend)).Reshape(table.Shape.ToArray());
        model.Backend.WriteSlice(table, rows, 0, 0);
    }
}
