namespace ChatGLM.Tool.Chat;

/// <summary>What a chat says of itself.</summary>
internal static class ChatText
{
    /// <summary>The commands in one sentence.</summary>
    public const string Commands = "Inside, /help lists the commands.";

    /// <summary>The commands, one by one.</summary>
    public static readonly IReadOnlyList<(string Command, string Meaning)> Help =
    [
        ("/history", "shows the conversation"),
        ("/clear", "forgets it"),
        ("/undo", "takes back the last question and its answer"),
        ("/retry", "asks the last question again"),
        ("/system TEXT", "sets the instructions before the chat (ChatGLM3), and begins anew"),
        ("/save FILE", "writes the conversation as JSON"),
        ("/load FILE", "goes on with one that was saved"),
        ("/exit", "ends; so do Ctrl+D, and Ctrl+C at the prompt"),
        ("\\", "at the end of a line: the question goes on in the next"),
    ];

    /// <summary>What ChatGLM3's authors put before tools.</summary>
    public const string ToolInstructions = "Answer the following questions as best as you can. You have access to the following tools:";
}
