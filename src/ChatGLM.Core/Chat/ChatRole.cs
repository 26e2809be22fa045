namespace ChatGLM.Chat;

/// <summary>Who says a message.</summary>
public enum ChatRole
{
    /// <summary>Instructions that hold for the whole chat; ChatGLM3 only.</summary>
    System,

    /// <summary>The person.</summary>
    User,

    /// <summary>The model.</summary>
    Assistant,

    /// <summary>What a tool that the model called gave back; ChatGLM3 only.</summary>
    Observation,
}
