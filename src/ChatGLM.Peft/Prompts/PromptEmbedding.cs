using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Prompts;

/// <summary>A table of embeddings, one row for each virtual token (<c>peft.PromptEmbedding</c>).</summary>
internal sealed class PromptEmbedding : EmbeddingPrompt, IPromptEncoder
{
    private readonly ModuleSlot<Embedding> _embedding;

    public PromptEmbedding(WeightScope scope, PromptLearningConfig config)
        : base(config.NumVirtualTokens) => _embedding = Child("embedding", new Embedding(scope["embedding"], Length, config.TokenDim!.Value));

    public Tensor Table => _embedding.Value.Weight;

    public Tensor Stored => Table;

    /// <inheritdoc/>
    public override Tensor Forward(int batch) => Table.Reshape(1, Length, Table.Shape[1]);

    public Tensor Compute() => Table;
}
