namespace ChatGLM.Models;

/// <summary>A token id is not one of the model's vocabulary: tokenizer and model are not of one snapshot, or an id was made up.</summary>
public sealed class TokenIdOutOfRangeException : ChatGLMException
{
    internal TokenIdOutOfRangeException(long id, int row, int column, int vocabularySize)
        : base($"InputIds[{row}, {column}] is {id}, expected 0 to {vocabularySize - 1}. Use the tokenizer of the same snapshot as the model.") => Id = id;

    /// <summary>The id.</summary>
    public long Id { get; }
}
